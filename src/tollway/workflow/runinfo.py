"""Which run this is: what an asynchronous and a synchronous context have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tollway.errors import AwaitTimedOut, ChildFailed, InvalidOption
from tollway.workflow.body import check_body, inside
from tollway.workflow.control import Nap, Suspended, asleep
from tollway.workflow.journal import SUSPENDED, TIMED_OUT, Journal, Recorded
from tollway.workflow.names import check_name, check_step_name
from tollway.workflow.outcome import failure_text, hint_of
from tollway.workflow.policy import NO_POLICY, StepPolicy
from tollway.workflow.services import Services
from tollway.workflow.transaction import joined
from tollway.workflow.typed import ValueType


class Identity(NamedTuple):
    """Of a run: its queue, its task, its attempt. Ids and times are texts, as they came: most runs never look at them."""

    queue: str
    task_id: str
    run_id: str
    attempt: int
    epoch: int
    workflow: str
    deadline: str | None = None


class RunInfo:
    """What a run is and has recorded; how a recorded wait is read."""

    __slots__ = ("_identity", "_journal", "_policy", "_services")

    def __init__(self, identity: Identity, journal: Journal, services: Services, policy: StepPolicy = NO_POLICY) -> None:
        self._identity = identity
        self._journal = journal
        self._services = services
        self._policy = policy

    @property
    def task_id(self) -> UUID:
        """The task's id, the same in every attempt."""
        return UUID(self._identity.task_id)

    @property
    def run_id(self) -> UUID:
        """The id of this attempt's run."""
        return UUID(self._identity.run_id)

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1. Being resumed after a wait is no new attempt."""
        return self._identity.attempt

    @property
    def queue(self) -> str:
        """The task's queue."""
        return self._identity.queue

    @property
    def deadline(self) -> datetime | None:
        """When the task is cancelled, unless it has ended."""
        deadline = self._identity.deadline
        return None if deadline is None else datetime.fromisoformat(deadline)

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger `tollway.workflow.<name>` that is silent while recorded steps are replayed.

        Each record carries task_id, run_id and attempt as attributes.
        """
        return RunLogger(self._journal, self._identity)

    def idempotency_key(self, step: str) -> str:
        """A key for an outside service, the same in every attempt at this step: `<task id>/<step>`."""
        return f"{self._identity.task_id}/{step}"

    # -- reading the journal ------------------------------------------------------------------------------------

    def _enter(self, step: str) -> Recorded | None:
        if joined() is not None:
            raise InvalidOption(
                f"step {step!r} begins inside ctx.transaction",
                hint="inside a transaction only start_child and emit_event are possible: they join its commit.",
            )
        if (outer := inside.get()) is not None:
            raise InvalidOption(
                f"step {step!r} begins inside the body of step {outer!r}",
                hint="a body may run again as a whole: call plain functions in it, or make both steps of the workflow.",
            )
        return self._journal.enter(step)

    def _enter_step(self, name: str, fn: object) -> Recorded | None:
        checked = check_step_name(name)
        if not callable(fn):
            check_body(checked, fn)
        return self._enter(checked)

    def _enter_by_order(self, step: str) -> tuple[Recorded | None, dict[str, Any]]:
        """Of a step that may be found by its order alone: its record, and the note that tells its place."""
        before = self._journal.before
        recorded = self._enter(step)
        if "#" not in step:
            return recorded, {}
        if recorded is not None:
            self._journal.check_order(step, recorded, before)
        return recorded, {"after": before}

    def record_of(self, step: str) -> Recorded | None:
        """What is recorded under a step's full name."""
        return self._journal.recorded(step)

    def _child_step(self, workflow: str, key: str | None) -> str:
        if key is None and joined() is not None:
            raise InvalidOption(
                "ctx.start_child without a key inside ctx.transaction",
                hint="the body does not run again once it is committed: give key=, so that the child is found by it.",
            )
        return self._journal.child_step(workflow, key if key is None else check_name("child", key))

    def _sleep_step(self, name: str | None) -> str:
        return self._journal.sleep_step(name if name is None else check_name("sleep", name))

    def _nap(self, step: str, seconds: float, note: dict[str, Any]) -> Suspended:
        return self._journal.suspend(asleep(Nap(step, seconds, note)))

    def _event_payload(self, event: str, known: Recorded) -> Any:
        """From what a checkpoint says (`status`, `state`) or what the database just answered (`outcome`, `payload`)."""
        if self._timed_out(known):
            raise AwaitTimedOut(f"event {event!r} did not come in time", hint="catch this error to go another way.")
        return known["state"] if "outcome" not in known else known.get("payload")

    def _child_result(self, child: str, task_id: UUID, result: ValueType, known: Recorded) -> Any:
        """As `_event_payload`, of a child's end. Raises: ChildFailed, AwaitTimedOut."""
        if self._timed_out(known):
            raise AwaitTimedOut(f"child {child} ({task_id}) has not ended in time", hint="it goes on; catch this error to go another way.")
        end = known["state"] if "outcome" not in known else known["payload"]
        if end["state"] == "completed":
            return result.decode(end["result"], f"the result of child {child}")
        raise ChildFailed(
            f"child {child} ({task_id}) {failure_text(end['state'], end['error'])}",
            state=end["state"],
            reason=end["error"],
            hint=hint_of(task_id, end["error"]),
        )

    def _timed_out(self, known: Recorded) -> bool:
        outcome = known.get("outcome")
        if outcome == SUSPENDED:
            raise self._journal.suspend(Suspended())
        return outcome == TIMED_OUT or (outcome is None and known.get("status") == TIMED_OUT)


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """Drops what an earlier execution has logged already."""

    def __init__(self, journal: Journal, identity: Identity) -> None:
        super().__init__(logging.getLogger(f"tollway.workflow.{identity.workflow}"))
        self._journal = journal
        self._fields = {"task_id": identity.task_id, "run_id": identity.run_id, "attempt": identity.attempt}

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name of the standard library's method
        return not self._journal.replaying and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**self._fields, **(kwargs.get("extra") or {})}
        return msg, kwargs


def names_of(name: str, items: Sequence[Any], key: Callable[[Any], object] | None) -> list[str]:
    """The step of each item of a map: `name[0]`, or by `key`. Raises: InvalidName, when one does not fit."""
    marks = range(len(items)) if key is None else map(key, items)
    return [check_step_name(f"{name}[{mark}]") for mark in marks]


__all__ = ["Identity", "RunInfo", "RunLogger", "names_of"]
