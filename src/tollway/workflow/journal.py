"""What one execution of a task knows of those before it: its recorded steps, found again by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import orjson

from tollway.errors import DuplicateStep, InvalidOption, OrderChanged, WrongState
from tollway.workflow.control import Dropped, Suspended
from tollway.workflow.names import child_step, emit_step, event_step, recorded_step, retry_step, sleep_step
from tollway.workflow.operations import Answer, Operation

Recorded = Mapping[str, Any]

COMMITTED, TIMED_OUT, SUSPENDED = "committed", "timed_out", "suspended"


class Journal:
    """Pure bookkeeping of one attempt, shared by the asynchronous and the synchronous context.

    `now` is the database's clock when the task was claimed.
    """

    __slots__ = (
        "_before",
        "_began",
        "_entered",
        "_now",
        "_ordinals",
        "_recorded",
        "_sections",
        "_unmet",
        "attempt",
        "dropped",
        "ended",
        "parallel",
        "suspension",
    )

    def __init__(self, recorded: Mapping[str, Recorded] | None, *, attempt: int = 1, now: str | None = None) -> None:
        self._recorded: dict[str, Recorded] = dict(recorded) if recorded else {}
        self._entered: set[str] = set()
        self._ordinals: dict[str, int] = {}
        self._before: str | None = None
        self._sections = 0
        self._unmet = sum(map(_comes_again, recorded)) if recorded else 0
        self._now = now
        self._began = monotonic()
        self.attempt = attempt
        self.suspension: Suspended | None = None
        self.dropped = False
        self.ended = False
        self.parallel = 0

    def enter(self, step: str) -> Recorded | None:
        """Begin a step: what is recorded for it, or None if its body must run.

        Raises:
            DuplicateStep: this attempt has used the name already.
            Dropped: the run is over (it was suspended, or is no longer ours), yet the handler went on.
            WrongState: the handler has ended, and something that it left behind goes on.
        """
        if self.dropped or self.suspension is not None:
            raise Dropped
        if self.ended:
            raise WrongState(
                f"step {step!r} begins after its workflow has ended",
                hint="await what you start before the workflow returns: ctx.gather, or an asyncio.TaskGroup.",
            )
        if step in self._entered:
            raise DuplicateStep(
                f"step {step!r} was used twice in one attempt",
                hint='a step is found again by its name: make it unique, as in f"charge:{item.id}".',
            )
        self._entered.add(step)
        found = self._recorded.get(step)
        if found is None:
            self._unmet = 0
        elif self._unmet and _comes_again(step):
            self._unmet -= 1
        self._before = step
        return found

    def recorded(self, step: str) -> Recorded | None:
        """What is recorded for a step, without beginning it."""
        return self._recorded.get(step)

    def remember(self, step: str, state: Any, status: str = COMMITTED) -> None:
        """This execution has recorded `state`, plain or encoded, so that what follows finds it as a replay would."""
        self._recorded[step] = {"state": state, "status": status}

    def remember_answer(self, wait: Operation, answer: Answer) -> None:
        """The same, of a wait that was answered at once."""
        outcome = answer.get("outcome")
        if outcome not in (None, SUSPENDED):
            self.remember(wait["step"], answer.get("payload"), TIMED_OUT if outcome == TIMED_OUT else COMMITTED)

    def records(self) -> dict[str, Recorded]:
        """All that is recorded, what this execution added included, decoded."""
        return {step: {**known, "state": _plain(known["state"])} for step, known in self._recorded.items()}

    @property
    def replaying(self) -> bool:
        """Whether what runs now has run before: recorded steps are still to come."""
        return self._unmet > 0

    def suspend(self, suspension: Suspended) -> Suspended:
        """Remember it: a handler that catches even BaseException must not go on as if the time had passed.

        Beside other branches nothing is over yet: their `gather` decides for all of them.
        """
        if not self.parallel:
            self.suspension = suspension
        return suspension

    def now(self) -> datetime:
        """The database's clock, to within the time of one call."""
        assert self._now is not None, "only a claimed task has a clock"
        return datetime.fromisoformat(self._now) + timedelta(seconds=monotonic() - self._began)

    def left_of(self, wait: Recorded) -> float:
        """Seconds that a recorded wait has still to go; above zero only if a parallel branch woke the task before."""
        state = wait["state"]
        until = state.get("until") if isinstance(state, Mapping) else None
        if until is None or self._now is None:
            return 0.0
        moment = datetime.fromisoformat(until)
        if moment <= datetime.fromisoformat(self._now):
            return 0.0
        return max(0.001, (moment - self.now()).total_seconds())

    # -- names that are told apart by their order ---------------------------------------------------------------

    def sleep_step(self, name: str | None) -> str:
        return sleep_step(name, self._next("sleep", "sleep") if name is None else 0)

    def event_step(self, event: str) -> str:
        return event_step(event, self._next(f"event:{event}"))

    def emit_step(self, event: str) -> str:
        return emit_step(event, self._next(f"emit:{event}"))

    def child_step(self, workflow: str, key: str | None) -> str:
        return child_step(workflow, key, self._next(f"child:{workflow}", "start_child") if key is None else 0)

    def recorded_step(self, kind: str, name: str | None) -> str:
        return recorded_step(kind, name, self._next(kind, kind) if name is None else 0)

    def retry_step(self, step: str, failures: int) -> str:
        """Of this attempt at the workflow: the next attempt begins to count anew."""
        return retry_step(step, self.attempt, failures)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """While branches run beside one another. They end in any order, so what comes after them does so after all of them."""
        self.parallel += 1
        try:
            yield
        finally:
            self.parallel -= 1
            if not self.parallel:
                self._sections += 1
                self._before = f"$branches#{self._sections}"

    @property
    def before(self) -> str | None:
        """The step entered last, or the branches: where in the code we are."""
        return None if self.parallel else self._before

    def check_order(self, step: str, recorded: Recorded, before: str | None) -> None:
        """A record found by order alone must have been made at the same place of the code.

        Raises:
            OrderChanged: another step came before it then.
        """
        state = recorded.get("state")
        if not isinstance(state, Mapping) or "after" not in state or state["after"] == before:
            return
        raise OrderChanged(
            f"{step!r} was recorded {_place(state['after'])}, and now comes {_place(before)}",
            hint="unnamed sleeps, children and values are found again by their order: put the code back, or let tasks that began "
            "under the old code end there; then give it a name (name= or key=).",
        )

    def _next(self, kind: str, call: str | None = None) -> int:
        if self.parallel and call is not None:
            raise InvalidOption(
                f"ctx.{call} without a name inside a parallel branch",
                hint="branches end in any order: give it name= or key=, so that it is found again.",
            )
        ordinal = self._ordinals.get(kind, 0) + 1
        self._ordinals[kind] = ordinal
        return ordinal


def _comes_again(step: str) -> bool:
    """Whether each execution meets this record: not the wait between two tries, nor a child started in a transaction."""
    return not step.startswith("$retry:") and ("#" in step or not step.startswith("$child:"))


def _place(before: object) -> str:
    return "as the first step" if before is None else f"after {before!r}"


def _plain(state: Any) -> Any:
    return orjson.loads(orjson.dumps(state)) if isinstance(state, orjson.Fragment) else state
