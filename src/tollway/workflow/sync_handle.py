"""A started workflow, as synchronous code holds it.

GENERATED from handle.py by tools/generate_sync.py: change that file.
"""

from __future__ import annotations

import time
from contextlib import closing
from time import sleep as pause
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tollway.client import AbsurdClient
from tollway.model import TaskResult
from tollway.workflow.durations import Duration, seconds_of
from tollway.workflow.outcome import check_reason, found_task, outcome_of, patience, poll_delays
from tollway.workflow.typed import UNTYPED, ValueType

if TYPE_CHECKING:
    from tollway.workflow.app import Tollway


class SyncHandle:
    """Refers to a task; holds no connection."""

    __slots__ = ("_app", "_result", "id", "queue")

    def __init__(self, app: Tollway, queue: str, task_id: UUID, result: ValueType = UNTYPED) -> None:
        self._app = app
        self._result = result
        self.queue = queue
        self.id = task_id

    def result(self, timeout: Duration | None = None, *, conn: Any = None) -> Any:
        """Wait for the result, by polling (up to twice a second), and return it as the workflow's annotation says.

        Args:
            timeout: seconds, or a timedelta; no limit by default.
            conn: your connection or session, instead of the application's own. It must see what others
                commit meanwhile: in a repeatable-read transaction, or in the one that the start joined, the result never comes.

        Raises:
            TaskFailed: it failed or was cancelled.
            AwaitTimedOut: `timeout` passed; the workflow goes on.
            WrongState: there is no such task.
            DatabaseUnreachable: the database does not answer, or went away meanwhile. The workflow goes on; ask again.
        """
        ends = None if timeout is None else time.monotonic() + seconds_of(timeout, "timeout")
        given = None if conn is None else AbsurdClient(conn)
        with closing(poll_delays(self._app.waiters)) as delays:
            for delay in delays:
                found = self._look(given)
                ended, result = outcome_of(self.id, found.state, found.result, found.failure_reason)
                if ended:
                    return self._result.decode(result, f"the result of task {self.id}")
                pause(patience(self.id, ends, delay))
        raise AssertionError("poll_delays has no end")

    def state(self, *, conn: Any = None) -> str:
        """pending, running, sleeping, completed, failed or cancelled; with `conn`, as your transaction sees it.

        Raises:
            WrongState: there is no such task.
        """
        return (self._look(None if conn is None else AbsurdClient(conn))).state

    def cancel(self, reason: str | None = None, *, conn: Any = None) -> None:
        """Cancel it, with its children that are not detached. A running handler stops at its next heartbeat at the latest.

        Args:
            reason: why; kept in the log, and shown to who awaits the result.
            conn: your connection or session. The cancellation joins your transaction: it holds when you commit.

        Raises:
            WrongState: there is no such task. One that has ended stays as it is.
            InvalidOption: the reason is no text.
        """
        check_reason(reason)
        if conn is not None:
            AbsurdClient(conn).cancel_task(self.queue, self.id, reason)
            return
        with self._app.spares.lend(self._app.dsn) as own:
            own.cancel_task(self.queue, self.id, reason)

    def _look(self, given: AbsurdClient | None) -> TaskResult:
        """On a connection that is the application's own for this look only: many may wait."""
        if given is not None:
            return found_task(self.queue, self.id, given.get_task_result(self.queue, self.id))
        with self._app.spares.lend(self._app.dsn) as own:
            return found_task(self.queue, self.id, own.get_task_result(self.queue, self.id))
