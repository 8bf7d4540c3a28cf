"""Calls about checkpoints and events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tollway.model import Awaited, Checkpoint
from tollway.protocol.call import Call, Row, json_param, nothing
from tollway.protocol.codec import decode


def set_task_checkpoint_state(
    queue: str, task_id: UUID, step: str, state: Any, run_id: UUID, extend_claim_by: int | None, epoch: int | None
) -> Call[None]:
    return Call(
        "select absurd.set_task_checkpoint_state(%s, %s, %s, %s::jsonb, %s, %s, %s)",
        (queue, task_id, step, json_param(state, "state"), run_id, extend_claim_by, epoch),
        nothing,
    )


def get_task_checkpoint_state(queue: str, task_id: UUID, step: str, include_pending: bool) -> Call[Checkpoint | None]:
    return Call(
        "select checkpoint_name, state::text, status, owner_run_id, updated_at from absurd.get_task_checkpoint_state(%s, %s, %s, %s)",
        (queue, task_id, step, include_pending),
        lambda rows: _checkpoint(rows[0]) if rows else None,
    )


def get_task_checkpoint_states(queue: str, task_id: UUID, run_id: UUID, epoch: int | None) -> Call[list[Checkpoint]]:
    return Call(
        "select checkpoint_name, state::text, status, owner_run_id, updated_at from absurd.get_task_checkpoint_states(%s, %s, %s, %s)",
        (queue, task_id, run_id, epoch),
        lambda rows: [_checkpoint(row) for row in rows],
    )


def await_event(queue: str, task_id: UUID, run_id: UUID, step: str, event: str, timeout: int | None, epoch: int | None) -> Call[Awaited]:
    return Call(
        "select should_suspend, payload::text from absurd.await_event(%s, %s, %s, %s, %s, %s, %s)",
        (queue, task_id, run_id, step, event, timeout, epoch),
        lambda rows: Awaited(rows[0][0], decode(rows[0][1]), not rows[0][0] and rows[0][1] is None),
    )


def emit_event(queue: str, event: str, payload: Any) -> Call[None]:
    return Call("select absurd.emit_event(%s, %s, %s::jsonb)", (queue, event, json_param(payload, "payload")), nothing)


def _checkpoint(row: Row) -> Checkpoint:
    name, state, status, owner, updated_at = row
    return Checkpoint(name, decode(state), status, owner, updated_at)
