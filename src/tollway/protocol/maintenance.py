"""Calls of operators: clean up, verify, repair; and the worker's own."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from tollway.model import CleanedQueue, DroppedPartition, Repair, Violation
from tollway.protocol.call import Call, nothing
from tollway.protocol.codec import decode


def cleanup_tasks(queue: str, ttl_seconds: int, limit: int | None) -> Call[int]:
    return Call("select absurd.cleanup_tasks(%s, %s, %s)", (queue, ttl_seconds, limit), lambda rows: int(rows[0][0]))


def cleanup_events(queue: str, ttl_seconds: int, limit: int | None) -> Call[int]:
    return Call("select absurd.cleanup_events(%s, %s, %s)", (queue, ttl_seconds, limit), lambda rows: int(rows[0][0]))


def cleanup_all_queues(queue: str | None) -> Call[list[CleanedQueue]]:
    return Call(
        "select queue_name, tasks_deleted, events_deleted from absurd.cleanup_all_queues(%s)",
        (queue,),
        lambda rows: [CleanedQueue(*row) for row in rows],
    )


def cleanup_workflow_runs(queue: str, ttl_seconds: int, limit: int | None) -> Call[int]:
    return Call("select absurd.cleanup_workflow_runs(%s, %s, %s)", (queue, ttl_seconds, limit), lambda rows: int(rows[0][0]))


def drop_log_before(before: datetime) -> Call[list[DroppedPartition]]:
    return Call(
        "select partition_name, from_at, to_at, rows_dropped from absurd.drop_log_before(%s)",
        (before,),
        lambda rows: [DroppedPartition(*row) for row in rows],
    )


def verify() -> Call[list[Violation]]:
    return Call(
        "select invariant, queue_name, task_id, detail::text from absurd.verify()",
        (),
        lambda rows: [Violation(r[0], r[1], r[2], decode(r[3])) for r in rows],
    )


def repair() -> Call[list[Repair]]:
    return Call(
        "select action, queue_name, task_id, before::text, after::text from absurd.repair()",
        (),
        lambda rows: [Repair(r[0], r[1], r[2], decode(r[3]), decode(r[4])) for r in rows],
    )


def worker_sync(request: str) -> Call[Any]:
    """The group-commit call; `request` is its JSON text."""
    return Call("select absurd.worker_sync(%s::jsonb)::text", (request,), lambda rows: decode(rows[0][0]))


def worker_idle(queue: str, instance: UUID, seconds: int) -> Call[None]:
    return Call("select absurd.worker_idle(%s, %s, %s)", (queue, instance, seconds), nothing)


def worker_busy(queue: str, instance: UUID) -> Call[None]:
    return Call("select absurd.worker_busy(%s, %s)", (queue, instance), nothing)
