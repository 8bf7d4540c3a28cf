"""`Context` and `SyncContext`: what a workflow may do durably.

Twins that differ in `await` alone; everything there is to decide is in `Journal` and `operations`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from time import perf_counter
from typing import Any, ParamSpec, TypeVar, overload
from uuid import UUID

from tollway.errors import AwaitTimedOut
from tollway.protocol.codec import settle
from tollway.workflow import operations
from tollway.workflow.control import Suspended
from tollway.workflow.durations import Duration, seconds_of
from tollway.workflow.journal import TIMED_OUT, Journal, Recorded
from tollway.workflow.names import check_name, check_step_name

P = ParamSpec("P")
T = TypeVar("T")


class RunInfo:
    """Which run this is."""

    __slots__ = ("_journal", "attempt", "queue", "run_id", "task_id")

    def __init__(self, journal: Journal, *, queue: str, task_id: str, run_id: str, attempt: int) -> None:
        self._journal = journal
        self.queue = queue
        self.task_id = UUID(task_id)
        self.run_id = UUID(run_id)
        self.attempt = attempt

    def idempotency_key(self, step: str) -> str:
        """A key for an outside service, the same in every attempt at this step: `<task id>/<step>`."""
        return f"{self.task_id}/{step}"


class Context(RunInfo):
    """The durable side of an asynchronous workflow."""

    __slots__ = ("_port",)

    def __init__(self, port: operations.Port, journal: Journal, *, queue: str, task_id: str, run_id: str, attempt: int) -> None:
        super().__init__(journal, queue=queue, task_id=task_id, run_id=run_id, attempt=attempt)
        self._port = port

    @overload
    async def step(self, name: str, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn` and record its result under `name`; a later execution gets the record instead.

        The body runs at least once, its result is recorded exactly once. What is returned is what JSON keeps of
        it, on the first execution too: a tuple comes back as a list.

        Raises:
            DuplicateStep: the name was used before in this attempt.
            InvalidPayload: the result is not JSON.
        """
        recorded = self._journal.enter(check_step_name(name))
        if recorded is not None:
            return recorded["state"]
        began = perf_counter()
        value = fn(*args, **kwargs)
        if isawaitable(value):
            value = await value
        wire, kept = settle(value, f"the result of step {name!r}")
        await self._port.hand_over(operations.checkpoint(name, wire, (perf_counter() - began) * 1000))
        return kept

    async def sleep(self, duration: Duration, *, name: str | None = None) -> None:
        """Suspend for `duration`, on the database's clock; holds no worker meanwhile.

        Sleeps without a `name` are told apart by their order; name them if later code may add one before.
        """
        seconds = seconds_of(duration, "the duration of a sleep")
        step = _sleep_step(self._journal, name)
        if self._journal.enter(step) is None:
            raise self._journal.suspend(_sleep(step, seconds))

    async def wait_for_event(self, name: str, *, timeout: Duration | None = None) -> Any:
        """Suspend until the event `name` is emitted, and return its payload; at once if it was.

        Raises:
            AwaitTimedOut: `timeout` passed first. It is recorded, so every later execution raises it too.
        """
        check_name("event", name)
        seconds = None if timeout is None else seconds_of(timeout, "the timeout of an await")
        step = self._journal.event_step(name)
        recorded = self._journal.enter(step)
        if recorded is None:
            recorded = await self._port.hand_over(operations.await_event(step, name, seconds))
        return _event_payload(self._journal, name, recorded)

    async def emit_event(self, name: str, payload: Any = None) -> None:
        """Emit an event of this queue and wake who waits for it. The first emission of a name wins."""
        wire, _ = settle(payload, f"the payload of event {name!r}")
        step = self._journal.emit_step(check_name("event", name))
        if self._journal.enter(step) is None:
            await self._port.hand_over(operations.emit(name, wire), operations.checkpoint(step, True))


class SyncContext(RunInfo):
    """The durable side of a workflow that runs in a thread."""

    __slots__ = ("_port",)

    def __init__(self, port: operations.SyncPort, journal: Journal, *, queue: str, task_id: str, run_id: str, attempt: int) -> None:
        super().__init__(journal, queue=queue, task_id=task_id, run_id=run_id, attempt=attempt)
        self._port = port

    def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Context.step`."""
        recorded = self._journal.enter(check_step_name(name))
        if recorded is not None:
            replayed: T = recorded["state"]
            return replayed
        began = perf_counter()
        value = fn(*args, **kwargs)
        wire, kept = settle(value, f"the result of step {name!r}")
        self._port.hand_over(operations.checkpoint(name, wire, (perf_counter() - began) * 1000))
        settled: T = kept
        return settled

    def sleep(self, duration: Duration, *, name: str | None = None) -> None:
        """As `Context.sleep`."""
        seconds = seconds_of(duration, "the duration of a sleep")
        step = _sleep_step(self._journal, name)
        if self._journal.enter(step) is None:
            raise self._journal.suspend(_sleep(step, seconds))

    def wait_for_event(self, name: str, *, timeout: Duration | None = None) -> Any:
        """As `Context.wait_for_event`."""
        check_name("event", name)
        seconds = None if timeout is None else seconds_of(timeout, "the timeout of an await")
        step = self._journal.event_step(name)
        recorded = self._journal.enter(step)
        if recorded is None:
            recorded = self._port.hand_over(operations.await_event(step, name, seconds))
        return _event_payload(self._journal, name, recorded)

    def emit_event(self, name: str, payload: Any = None) -> None:
        """As `Context.emit_event`."""
        wire, _ = settle(payload, f"the payload of event {name!r}")
        step = self._journal.emit_step(check_name("event", name))
        if self._journal.enter(step) is None:
            self._port.hand_over(operations.emit(name, wire), operations.checkpoint(step, True))


def _sleep_step(journal: Journal, name: str | None) -> str:
    return journal.sleep_step(name if name is None else check_name("sleep", name))


def _sleep(step: str, seconds: float) -> Suspended:
    # One transaction holds both. A task that sleeps is claimed only once its time has come, so the mere presence
    # of the record says, in every later execution, that this sleep is over.
    return Suspended((operations.checkpoint(step, {"seconds": seconds}), operations.sleep(seconds)))


def _event_payload(journal: Journal, event: str, known: Recorded) -> Any:
    """From what a checkpoint says (`status`, `state`) or what the database just answered (`outcome`, `payload`)."""
    outcome = known.get("outcome")
    if outcome == "suspended":
        raise journal.suspend(Suspended())
    if outcome == TIMED_OUT or (outcome is None and known.get("status") == TIMED_OUT):
        raise AwaitTimedOut(f"event {event!r} did not come in time", hint="catch this error to go another way.")
    return known["state"] if outcome is None else known.get("payload")
