"""A started workflow, as its starter holds it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tollway.client import AbsurdClient, AsyncAbsurdClient
from tollway.errors import AwaitTimedOut, WrongState
from tollway.workflow.connect import connect_async, connect_sync
from tollway.workflow.durations import Duration, seconds_of
from tollway.workflow.outcome import outcome_of, poll_delays

if TYPE_CHECKING:
    from tollway.workflow.app import Tollway


class Handle:
    """Refers to a task; holds no connection."""

    __slots__ = ("_app", "id", "queue")

    def __init__(self, app: Tollway, queue: str, task_id: UUID) -> None:
        self._app = app
        self.queue = queue
        self.id = task_id

    async def result(self, timeout: Duration | None = None) -> Any:
        """Wait for the result, by polling (up to twice a second).

        Raises:
            TaskFailed: it failed or was cancelled.
            AwaitTimedOut: `timeout` passed; the workflow goes on.
        """
        ends = _deadline(timeout)
        async with await connect_async(self._app.dsn) as connection:
            client = AsyncAbsurdClient(connection)
            for delay in poll_delays():
                found = await client.get_task_result(self.queue, self.id)
                ended, result = _judge(self.id, found)
                if ended:
                    return result
                await asyncio.sleep(_patience(self.id, ends, delay))
        raise AssertionError("poll_delays has no end")


class SyncHandle:
    """As `Handle`, for synchronous code."""

    __slots__ = ("_app", "id", "queue")

    def __init__(self, app: Tollway, queue: str, task_id: UUID) -> None:
        self._app = app
        self.queue = queue
        self.id = task_id

    def result(self, timeout: Duration | None = None) -> Any:
        """As `Handle.result`."""
        ends = _deadline(timeout)
        with connect_sync(self._app.dsn) as connection:
            client = AbsurdClient(connection)
            for delay in poll_delays():
                found = client.get_task_result(self.queue, self.id)
                ended, result = _judge(self.id, found)
                if ended:
                    return result
                time.sleep(_patience(self.id, ends, delay))
        raise AssertionError("poll_delays has no end")


def _judge(task_id: UUID, found: Any) -> tuple[bool, Any]:
    if found is None:
        raise WrongState(f"task {task_id} does not exist", hint="was it cleaned up, or its start rolled back?")
    return outcome_of(task_id, found.state, found.result, found.failure_reason)


def _deadline(timeout: Duration | None) -> float | None:
    return None if timeout is None else time.monotonic() + seconds_of(timeout, "timeout")


def _patience(task_id: UUID, ends: float | None, delay: float) -> float:
    if ends is None:
        return delay
    left = ends - time.monotonic()
    if left <= 0:
        raise AwaitTimedOut(f"task {task_id} has not ended yet", hint="it goes on; ask again later.")
    return min(delay, left)
