"""Works tasks off until one has ended: whenever nothing is left to do, the clock jumps to when something is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

from tollway.client import AbsurdClient
from tollway.protocol.codec import settle
from tollway.testing.bound import Bound
from tollway.testing.database import TestDatabase
from tollway.testing.waiting import next_due, overdue, stuck, waited_events
from tollway.worker import Worker, WorkerOptions
from tollway.workflow.definition import Registry
from tollway.workflow.names import check_name

LEASE = 30
"""Seconds of the test clock, which only moves when every worker is idle or dead."""
MOST_IDLE_ROUNDS = 200
"""Rounds in which something seems due and nothing moves: a row that somebody holds locked."""

STATE = "select state from absurd.task where task_id = %s"
PROGRESS = "select coalesce(max(log_id), 0) from absurd.absurd_event_log"
ENDED = ("completed", "failed", "cancelled")

WorkerMaker = Callable[[Registry, str, WorkerOptions], Worker]


class Driver:
    """One test's way through one database. `events` are emitted as soon as a task waits for them."""

    def __init__(
        self,
        database: TestDatabase,
        bound: Sequence[Bound],
        *,
        events: Mapping[str, Any] | None = None,
        seconds: float,
        worker: WorkerMaker = Worker,
    ) -> None:
        self._database = database
        self._bound = bound
        self._events = dict(events or {})
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._worker = worker
        self._known = {queue: app.app.registry.names() for app in bound for queue in app.queues}

    async def until_ended(self, task_id: UUID) -> None:
        """Until the task has ended. Raises: TaskStuck."""
        await self._drive(task_id, lambda: self._ended(task_id))

    async def until_quiet(self, task_id: UUID) -> None:
        """Until every task has ended, waits for what nobody gives it, or is a later run of the task's own workflow.

        Raises:
            TaskStuck: `task_id` waits for what nobody gives it.
        """
        await self._drive(task_id, lambda: False)

    async def work_off(self, task_id: UUID | None = None) -> None:
        """Until nothing is due, on a clock that stands still. Raises: TaskStuck, when the real time is over."""
        dsn = self._database.dsn
        async with AsyncExitStack() as stack:
            workers = []
            for app in self._bound:
                registry = await stack.enter_async_context(app.opened(dsn))
                workers += [self._worker(registry, dsn, app.options(queue, LEASE)) for queue in app.queues]
            runs = [asyncio.create_task(worker.run()) for worker in workers]
            done, late = await asyncio.wait(runs, timeout=max(0.0, self._ends - time.monotonic()))
            error = overdue(self._database, task_id, self._seconds) if late else None
            for worker in workers if late else ():
                worker.hurry()
            await asyncio.wait(runs)
            for run in done:
                run.result()
            if error is not None:
                raise error

    async def _drive(self, task_id: UUID, done: Callable[[], bool]) -> None:
        idle, progress, looked = 0, -1, False
        while not done():
            moved = self._go_on(task_id)
            if not moved and looked:
                if self._ended(task_id):
                    return
                raise stuck(self._database, task_id, self._known)
            # also once more when nothing seems due: what others had to leave undone is in no index
            await self.work_off(task_id)
            looked = not moved
            before, progress = progress, self._database.one(PROGRESS)
            idle = idle + 1 if progress == before else 0
            if time.monotonic() > self._ends or idle > MOST_IDLE_ROUNDS:
                raise overdue(self._database, task_id, self._seconds)

    def _go_on(self, task_id: UUID) -> bool:
        """True: something is due, for an event was emitted that a task waits for, or the clock moved to when it is."""
        now, due = self._database.clock.now(), next_due(self._database, task_id, self._known)
        if due is not None and due <= now:
            return True
        for queue, name in waited_events(self._database, list(self._events)):
            emit(self._database, queue, name, self._events[name])
            return True
        if due is None:
            return False
        self._database.clock.set(due)
        return True

    def _ended(self, task_id: UUID) -> bool:
        return self._database.one(STATE, task_id) in ENDED


def emit(database: TestDatabase, queue: str, name: str, payload: Any) -> None:
    """Emit an event. Raises: InvalidPayload, InvalidName."""
    check_name("event", name)
    AbsurdClient(database.conn).emit_event(queue, name, settle(payload, f"the payload of event {name!r}")[1])
