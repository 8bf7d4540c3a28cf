"""The typed records that cross the interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

State = Literal["pending", "running", "sleeping", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Spawned:
    """A task that was queued; `created` is False when its idempotency key was known."""

    task_id: UUID
    run_id: UUID
    attempt: int
    created: bool


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task that this worker holds until `claim_expires_at`; `claim_epoch` is its fencing token."""

    run_id: UUID
    task_id: UUID
    attempt: int
    task_name: str
    params: Any
    retry_strategy: Any
    max_attempts: int | None
    headers: Any
    wake_event: str | None
    event_payload: Any
    claim_epoch: int
    claim_expires_at: datetime
    checkpoints: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A step's saved result; status `timed_out` is an event wait's time-out."""

    checkpoint_name: str
    state: Any
    status: str
    owner_run_id: UUID
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TaskResult:
    """A task's state, and its result when it completed or its reason when it failed."""

    task_id: UUID
    state: State
    result: Any
    failure_reason: Any


@dataclass(frozen=True, slots=True)
class Awaited:
    """The answer to an await: suspended, or the payload, or (`timed_out`) that the time was over."""

    should_suspend: bool
    payload: Any
    timed_out: bool


@dataclass(frozen=True, slots=True)
class ClaimStatus:
    """What a heartbeat or a release found: ok, busy, cancelled or lost."""

    task_id: UUID
    status: str


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """A queue's storage mode and retention."""

    queue_name: str
    storage_mode: str
    default_partition: str
    partition_lookahead: timedelta
    partition_lookback: timedelta
    cleanup_ttl: timedelta
    cleanup_limit: int
    detach_mode: str
    detach_min_age: timedelta


@dataclass(frozen=True, slots=True)
class CleanedQueue:
    """What one batch of clean-up deleted."""

    queue_name: str
    tasks_deleted: int
    events_deleted: int


@dataclass(frozen=True, slots=True)
class DroppedPartition:
    """A partition of the log that is gone: rows of `from_at` up to, not including, `to_at`."""

    partition_name: str
    from_at: datetime
    to_at: datetime
    rows_dropped: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A row of verify(): which invariant, where, and what was found."""

    invariant: str
    queue_name: str | None
    task_id: UUID | None
    detail: Any


@dataclass(frozen=True, slots=True)
class Repair:
    """A row of repair(): what was mended, with before and after."""

    action: str
    queue_name: str | None
    task_id: UUID | None
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class MoveHook:
    """When a task of the queue (of one name, or of any) comes to `to_state`, the handler task is spawned with it."""

    queue: str
    task_name: str | None
    to_state: State
    handler_queue: str
    handler_task: str
    options: Any
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """What a handler of moves is started with. `result` or `error` is there for a task that ended.

    `left_out` names what was too large for the handler's params: read it from the task.
    """

    task_id: UUID
    queue: str
    task_name: str
    from_state: State | None
    to_state: State
    attempt: int
    workflow_run_id: UUID
    event: str
    seq: int
    at: datetime
    result: Any = None
    error: Any = None
    left_out: Any = None
