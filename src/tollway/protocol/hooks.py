"""Calls about hooks on moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.model import MoveHook
from tollway.protocol.call import Call, nothing, options_param
from tollway.protocol.codec import decode


def set_on_move(
    queue: str, task_name: str | None, to_state: str, handler_task: str, handler_queue: str | None, options: Mapping[str, Any] | None
) -> Call[None]:
    return Call(
        "select absurd.set_on_move(%s, %s, %s, %s, %s, %s::jsonb)",
        (queue, task_name, to_state, handler_task, handler_queue, options_param(options)),
        nothing,
    )


def remove_on_move(queue: str, task_name: str | None, to_state: str, handler_task: str, handler_queue: str | None) -> Call[bool]:
    return Call(
        "select absurd.remove_on_move(%s, %s, %s, %s, %s)",
        (queue, task_name, to_state, handler_task, handler_queue),
        lambda rows: bool(rows[0][0]),
    )


def list_on_move(queue: str | None) -> Call[list[MoveHook]]:
    return Call(
        "select queue_name, task_name, to_state, handler_queue, handler_task, options::text, created_by, created_at "
        "from absurd.list_on_move(%s)",
        (queue,),
        lambda rows: [MoveHook(r[0], r[1], r[2], r[3], r[4], decode(r[5]), r[6], r[7]) for r in rows],
    )
