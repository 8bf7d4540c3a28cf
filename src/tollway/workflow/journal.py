"""What one execution of a task knows of those before it: its recorded steps, found again by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.errors import DuplicateStep
from tollway.workflow.control import Dropped, Suspended
from tollway.workflow.names import emit_step, event_step, sleep_step

Recorded = Mapping[str, Any]

TIMED_OUT = "timed_out"


class Journal:
    """Pure bookkeeping of one attempt, shared by the asynchronous and the synchronous context."""

    __slots__ = ("_entered", "_ordinals", "_recorded", "dropped", "suspension")

    def __init__(self, recorded: Mapping[str, Recorded] | None) -> None:
        self._recorded = recorded or {}
        self._entered: set[str] = set()
        self._ordinals: dict[str, int] = {}
        self.suspension: Suspended | None = None
        self.dropped = False

    def enter(self, step: str) -> Recorded | None:
        """Begin a step: what is recorded for it, or None if its body must run.

        Raises:
            DuplicateStep: this attempt has used the name already.
            Dropped: the run is over (it was suspended, or is no longer ours), yet the handler went on.
        """
        if self.dropped or self.suspension is not None:
            raise Dropped
        if step in self._entered:
            raise DuplicateStep(
                f"step {step!r} was used twice in one attempt",
                hint='a step is found again by its name: make it unique, as in f"charge:{item.id}".',
            )
        self._entered.add(step)
        return self._recorded.get(step)

    def suspend(self, suspension: Suspended) -> Suspended:
        """Remember it: a handler that catches even BaseException must not go on as if the time had passed."""
        self.suspension = suspension
        return suspension

    def sleep_step(self, name: str | None) -> str:
        return sleep_step(name, self._next("sleep") if name is None else 0)

    def event_step(self, event: str) -> str:
        return event_step(event, self._next(f"event:{event}"))

    def emit_step(self, event: str) -> str:
        return emit_step(event, self._next(f"emit:{event}"))

    def _next(self, kind: str) -> int:
        ordinal = self._ordinals.get(kind, 0) + 1
        self._ordinals[kind] = ordinal
        return ordinal
