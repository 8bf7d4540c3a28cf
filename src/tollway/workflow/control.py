"""Control flow that unwinds a handler.

These derive from `BaseException`, so that a handler's `except Exception` cannot swallow them: a workflow that
was suspended, or whose lease is gone, must stop at that very line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from tollway.workflow import operations
from tollway.workflow.operations import Operation


class ControlFlow(BaseException):
    """A handler is being unwound; not an error, and never reported as one."""


@dataclass(frozen=True, slots=True)
class Nap:
    """A wait for a time, asked for `since` (on this process's monotonic clock)."""

    step: str | None
    """Where it is recorded; None if an earlier execution recorded it, and its time has not come."""
    seconds: float
    note: dict[str, object] = field(default_factory=dict)
    since: float = field(default_factory=monotonic)

    def left(self) -> float:
        return max(0.0, self.seconds - (monotonic() - self.since))


class Suspended(ControlFlow):
    """The task sleeps, durably: it will be claimed again and replayed up to here.

    `operations` is what puts it to sleep, handed over once the handler is unwound, so that nothing of this
    execution runs beside the next one. It is empty when the database has suspended the task already.
    """

    def __init__(self, operations: tuple[Operation, ...] = (), naps: tuple[Nap, ...] = ()) -> None:
        super().__init__()
        self.operations = operations
        self.naps = naps


class Dropped(ControlFlow):
    """The task is no longer ours (lease lost, cancelled, released): stop, and report nothing."""


def control_in(group: BaseExceptionGroup[BaseException]) -> ControlFlow | None:
    """What unwinds the handler, where an asyncio.TaskGroup has wrapped it; None if an error is in the group, too.

    A branch that met the suspension of another one was dropped: the task sleeps all the same.
    """
    found: list[ControlFlow] = []
    for each in group.exceptions:
        flow = control_in(each) if isinstance(each, BaseExceptionGroup) else each
        if not isinstance(flow, ControlFlow):
            return None
        found.append(flow)
    return next((flow for flow in found if isinstance(flow, Suspended)), found[0])


def asleep(nap: Nap) -> Suspended:
    """One transaction holds both. A task that sleeps is claimed only once its time has come, so the mere presence of
    the record says, in every later execution, that this sleep is over.
    """
    recorded = () if nap.step is None else (operations.checkpoint(nap.step, {"seconds": nap.seconds, **nap.note}),)
    return Suspended((*recorded, operations.sleep(nap.left() if nap.step is None else nap.seconds)), (nap,))


def combined(suspensions: Sequence[Suspended], now: datetime) -> Suspended:
    """How a task sleeps whose parallel branches all wait: until the first of their times has come.

    The records of the others say until when they wait, for whoever comes back before. Where no branch waits for a
    time, the first wait for an event or a task is waited for; the others are asked again after it.
    """
    naps = sorted((nap for s in suspensions for nap in s.naps), key=Nap.left)
    if not naps:
        return suspensions[0]
    first, *others = naps
    recorded = [] if first.step is None else [operations.checkpoint(first.step, {"seconds": first.seconds, **first.note})]
    for nap in others:
        if nap.step is not None:
            until = (now + timedelta(seconds=nap.left())).isoformat()
            recorded.append(operations.checkpoint(nap.step, {"seconds": nap.seconds, **nap.note, "until": until}))
    return Suspended((*recorded, operations.sleep(first.left())), tuple(naps))
