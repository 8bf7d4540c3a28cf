"""The synchronous client.

GENERATED from asynchronous.py by tools/generate_sync.py: change that file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from tollway.client.driver import driver_connection
from tollway.errors import from_database
from tollway.model import (
    Awaited,
    Checkpoint,
    ClaimedTask,
    ClaimStatus,
    CleanedQueue,
    DroppedPartition,
    MoveHook,
    QueuePolicy,
    Repair,
    Spawned,
    TaskResult,
    Violation,
)
from tollway.protocol import checkpoints, hooks, maintenance, queues, runs, tasks
from tollway.protocol.call import Call

T = TypeVar("T")


class Client:
    """The functions of schema absurd on one connection, psycopg's or SQLAlchemy's.

    Each method is one statement in the transaction the connection is in: nothing is committed here, and nothing
    happens if you roll back. Errors of the database come as the classes of `tollway.errors`. An epoch is the fencing
    token of a claim: with it, a call under a lost claim is refused (LeaseLost).
    """

    __slots__ = ("_connection", "_cursors")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._cursors: list[psycopg.Cursor[Any]] = []

    def call(self, call: Call[T]) -> T:
        """Execute one call and decode its answer."""
        try:
            connection = driver_connection(self._connection)
            cursor = self._cursor(connection)
            cursor.execute(call.sql, call.params)
            rows = cursor.fetchall()
        except psycopg.Error as error:
            typed = from_database(error)
            if typed is None:
                raise
            raise typed from error
        self._cursors.append(cursor)
        return call.decode(rows)

    def _cursor(self, connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
        """Used again: to make one costs a third of a call. Calls that are under way together have one each."""
        try:
            cursor = self._cursors.pop()
        except IndexError:
            return connection.cursor(row_factory=tuple_row)
        return cursor if cursor.connection is connection else connection.cursor(row_factory=tuple_row)

    def create_queue(self, queue: str, storage_mode: str = "unpartitioned") -> None:
        """Make a queue; an existing one is left as it is."""
        self.call(queues.create_queue(queue, storage_mode))

    def drop_queue(self, queue: str) -> None:
        """Purge a queue with all its tasks and events."""
        self.call(queues.drop_queue(queue))

    def list_queues(self) -> list[str]:
        """The queues' names, in order."""
        return self.call(queues.list_queues())

    def get_queue_policy(self, queue: str) -> QueuePolicy | None:
        """A queue's policy; None for an unknown queue."""
        return self.call(queues.get_queue_policy(queue))

    def set_queue_policy(self, queue: str, policy: Mapping[str, Any]) -> None:
        """Change the given keys of a queue's policy; intervals as text, such as "7 days"."""
        self.call(queues.set_queue_policy(queue, policy))

    def spawn_task(
        self, queue: str, task_name: str, params: Any = None, options: Mapping[str, Any] | None = None, *, parent_epoch: int | None = None
    ) -> Spawned:
        """Queue one task. Options: headers, retry_strategy, max_attempts, cancellation, idempotency_key, delay_seconds,
        start_at, priority (lower first), deadline, parent_task_id, detached, tags, created_by, workflow_version.

        Raises:
            UnknownQueue: the queue was never created (42P01).
            InvalidOption: an option has a wrong type or range (TW301).
            PayloadTooLarge: `params` are over the limit (TW302).
        """
        return self.call(tasks.spawn_task(queue, task_name, params, options, parent_epoch))

    def spawn_tasks(self, queue: str, items: Iterable[Mapping[str, Any]], *, parent_epoch: int | None = None) -> list[Spawned]:
        """Queue many tasks in one statement; an item has task_name, params and options. Raises as `spawn_task`."""
        return self.call(tasks.spawn_tasks(queue, items, parent_epoch))

    def get_task_result(self, queue: str, task_id: UUID) -> TaskResult | None:
        """A task's state and result; None for an unknown task."""
        return self.call(tasks.get_task_result(queue, task_id))

    def cancel_task(self, queue: str, task_id: UUID, reason: str | None = None) -> None:
        """End a task and its unfinished children; one that is over is left as it is."""
        self.call(tasks.cancel_task(queue, task_id, reason))

    def retry_task(self, queue: str, task_id: UUID, *, max_attempts: int | None = None, spawn_new: bool = False) -> Spawned:
        """Give a failed task another attempt, or spawn a new task like it."""
        return self.call(tasks.retry_task(queue, task_id, max_attempts, spawn_new))

    def claim_tasks(self, queue: str, worker: str, *, lease: int = 30, qty: int = 1) -> list[ClaimedTask]:
        """Take up to `qty` runnable tasks for `lease` seconds, with their epochs and checkpoints."""
        return self.call(runs.claim_tasks(queue, worker, lease, qty))

    def complete_run(self, queue: str, run_id: UUID, result: Any = None, *, epoch: int | None = None) -> None:
        """Finish a run. Raises: TaskCancelled, RunFailed, LeaseLost, WrongState."""
        self.call(runs.complete_run(queue, run_id, result, epoch))

    def fail_run(
        self, queue: str, run_id: UUID, reason: Any, *, retry_at: datetime | None = None, epoch: int | None = None, retryable: bool = True
    ) -> None:
        """End a run with a reason; the task is retried, or fails for good. Raises as `complete_run`."""
        self.call(runs.fail_run(queue, run_id, reason, retry_at, epoch, retryable))

    def schedule_run(self, queue: str, run_id: UUID, wake_at: datetime, *, epoch: int | None = None) -> None:
        """Suspend a run until a time. Raises: LeaseLost, WrongState."""
        self.call(runs.schedule_run(queue, run_id, wake_at, epoch))

    def extend_claim(self, queue: str, run_id: UUID, seconds: int, *, epoch: int | None = None) -> None:
        """The lease ends `seconds` from now; with an epoch it is never shortened. Raises as `complete_run`."""
        self.call(runs.extend_claim(queue, run_id, seconds, epoch))

    def heartbeat(self, queue: str, claims: Iterable[tuple[UUID, int]], seconds: int) -> list[ClaimStatus]:
        """Extend many claims, (task id, epoch) each, without waiting for any row."""
        return self.call(runs.heartbeat(queue, claims, seconds))

    def release_claims(self, queue: str, claims: Iterable[tuple[UUID, int]]) -> list[ClaimStatus]:
        """Give claimed tasks back at once; no attempt is spent."""
        return self.call(runs.release_claims(queue, claims))

    def set_task_checkpoint_state(
        self,
        queue: str,
        task_id: UUID,
        step: str,
        state: Any,
        run_id: UUID,
        *,
        extend_claim_by: int | None = None,
        epoch: int | None = None,
    ) -> None:
        """Save a step's result; the first one wins. Raises: CheckpointConflict, and as `complete_run`."""
        self.call(checkpoints.set_task_checkpoint_state(queue, task_id, step, state, run_id, extend_claim_by, epoch))

    def get_task_checkpoint_state(self, queue: str, task_id: UUID, step: str, *, include_pending: bool = False) -> Checkpoint | None:
        """One saved step; None when there is none."""
        return self.call(checkpoints.get_task_checkpoint_state(queue, task_id, step, include_pending))

    def get_task_checkpoint_states(self, queue: str, task_id: UUID, run_id: UUID, *, epoch: int | None = None) -> list[Checkpoint]:
        """The saved steps a run may see; with an epoch, time-outs too."""
        return self.call(checkpoints.get_task_checkpoint_states(queue, task_id, run_id, epoch))

    def await_event(
        self, queue: str, task_id: UUID, run_id: UUID, step: str, event: str, *, timeout: int | None = None, epoch: int | None = None
    ) -> Awaited:
        """Wait for an event as a step: its payload, a time-out (seconds), or a suspended run."""
        return self.call(checkpoints.await_event(queue, task_id, run_id, step, event, timeout, epoch))

    def emit_event(self, queue: str, event: str, payload: Any = None) -> None:
        """Emit an event and wake who waits for it; the first emission wins."""
        self.call(checkpoints.emit_event(queue, event, payload))

    def cleanup_tasks(self, queue: str, ttl_seconds: int, limit: int | None = 1000) -> int:
        """Purge tasks that ended longer ago; how many went."""
        return self.call(maintenance.cleanup_tasks(queue, ttl_seconds, limit))

    def cleanup_events(self, queue: str, ttl_seconds: int, limit: int | None = 1000) -> int:
        """Delete events that were emitted longer ago; how many went."""
        return self.call(maintenance.cleanup_events(queue, ttl_seconds, limit))

    def cleanup_all_queues(self, queue: str | None = None) -> list[CleanedQueue]:
        """One batch of clean-up for each queue, by its own policy."""
        return self.call(maintenance.cleanup_all_queues(queue))

    def cleanup_workflow_runs(self, queue: str, ttl_seconds: int, limit: int | None = 1000) -> int:
        """Remove the history of tasks that were purged longer ago; how many rows of workflow_run went. The queue may be gone."""
        return self.call(maintenance.cleanup_workflow_runs(queue, ttl_seconds, limit))

    def drop_log_before(self, before: datetime) -> list[DroppedPartition]:
        """Drop the weeks of the log that ended by then; which went. Call it in a transaction of its own: until that ends, moves wait."""
        return self.call(maintenance.drop_log_before(before))

    def set_on_move(
        self,
        queue: str,
        task_name: str | None,
        to_state: str,
        handler_task: str,
        *,
        handler_queue: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """From now on the gate spawns `handler_task` with every move of such a task to `to_state`."""
        self.call(hooks.set_on_move(queue, task_name, to_state, handler_task, handler_queue, options))

    def remove_on_move(
        self, queue: str, task_name: str | None, to_state: str, handler_task: str, *, handler_queue: str | None = None
    ) -> bool:
        """Stop that; True when there was such a hook."""
        return self.call(hooks.remove_on_move(queue, task_name, to_state, handler_task, handler_queue))

    def list_on_move(self, queue: str | None = None) -> list[MoveHook]:
        """The hooks of a queue, or of all."""
        return self.call(hooks.list_on_move(queue))

    def verify(self) -> list[Violation]:
        """Every disagreement in the database; empty is right."""
        return self.call(maintenance.verify())

    def repair(self) -> list[Repair]:
        """Mend what is derived; what was mended."""
        return self.call(maintenance.repair())

    def worker_sync(self, request: str) -> Any:
        """A worker's group commit; `request` is JSON text."""
        return self.call(maintenance.worker_sync(request))

    def worker_idle(self, queue: str, instance: UUID, seconds: int = 15) -> None:
        """Ask for a NOTIFY on channel absurd_work, for so many seconds."""
        self.call(maintenance.worker_idle(queue, instance, seconds))

    def worker_busy(self, queue: str, instance: UUID) -> None:
        """No NOTIFY is wanted any more."""
        self.call(maintenance.worker_busy(queue, instance))
