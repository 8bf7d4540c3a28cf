"""Calls about tasks: start, look, cancel, retry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from tollway.model import Spawned, TaskResult
from tollway.protocol.call import Call, Row, json_param, nothing, options_param
from tollway.protocol.codec import decode


def spawn_task(queue: str, task_name: str, params: Any, options: Mapping[str, Any] | None, parent_epoch: int | None) -> Call[Spawned]:
    return Call(
        "select task_id, run_id, attempt, created from absurd.spawn_task(%s, %s, %s::jsonb, %s::jsonb, %s)",
        (queue, task_name, json_param(params, "params"), options_param(options), parent_epoch),
        lambda rows: Spawned(*rows[0]),
    )


def spawn_tasks(queue: str, tasks: Iterable[Mapping[str, Any]], parent_epoch: int | None) -> Call[list[Spawned]]:
    documents = [
        {
            "task_name": task.get("task_name"),
            "params": task.get("params"),
            "options": {k: v for k, v in (task.get("options") or {}).items() if v is not None},
        }
        for task in tasks
    ]
    # each document has its own limit in the database; the list as a whole has none
    text = "[" + ",".join(json_param(document, f"task {i}") for i, document in enumerate(documents)) + "]"
    return Call(
        "select task_id, run_id, attempt, created from absurd.spawn_tasks(%s, %s::jsonb, %s) order by ordinal",
        (queue, text, parent_epoch),
        lambda rows: [Spawned(*row) for row in rows],
    )


def get_task_result(queue: str, task_id: UUID) -> Call[TaskResult | None]:
    return Call(
        "select task_id, state, result::text, failure_reason::text from absurd.get_task_result(%s, %s)",
        (queue, task_id),
        _result,
    )


def cancel_task(queue: str, task_id: UUID, reason: str | None) -> Call[None]:
    return Call("select absurd.cancel_task(%s, %s, %s)", (queue, task_id, reason), nothing)


def retry_task(queue: str, task_id: UUID, max_attempts: int | None, spawn_new: bool) -> Call[Spawned]:
    return Call(
        "select task_id, run_id, attempt, created from absurd.retry_task(%s, %s, %s::jsonb)",
        (queue, task_id, options_param({"max_attempts": max_attempts, "spawn_new": spawn_new})),
        lambda rows: Spawned(*rows[0]),
    )


def _result(rows: list[Row]) -> TaskResult | None:
    if not rows:
        return None
    task_id, state, result, reason = rows[0]
    return TaskResult(task_id, state, decode(result), decode(reason))
