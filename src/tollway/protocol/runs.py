"""Calls of whoever runs tasks: claim, finish, suspend, keep alive."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from tollway.model import ClaimedTask, ClaimStatus
from tollway.protocol.call import Call, Row, json_param, nothing
from tollway.protocol.codec import decode


def claim_tasks(queue: str, worker: str, lease: int, qty: int) -> Call[list[ClaimedTask]]:
    return Call(
        "select run_id, task_id, attempt, task_name, params::text, retry_strategy::text, max_attempts, headers::text,"
        " wake_event, event_payload::text, claim_epoch, claim_expires_at, checkpoints::text"
        " from absurd.claim_tasks(%s, %s, %s, %s)",
        (queue, worker, lease, qty),
        lambda rows: [_claimed(row) for row in rows],
    )


def complete_run(queue: str, run_id: UUID, result: Any, epoch: int | None) -> Call[None]:
    return Call("select absurd.complete_run(%s, %s, %s::jsonb, %s)", (queue, run_id, json_param(result, "result"), epoch), nothing)


def fail_run(queue: str, run_id: UUID, reason: Any, retry_at: datetime | None, epoch: int | None, retryable: bool) -> Call[None]:
    return Call(
        "select absurd.fail_run(%s, %s, %s::jsonb, %s, %s, %s)",
        (queue, run_id, json_param(reason, "reason"), retry_at, epoch, retryable),
        nothing,
    )


def schedule_run(queue: str, run_id: UUID, wake_at: datetime, epoch: int | None) -> Call[None]:
    return Call("select absurd.schedule_run(%s, %s, %s, %s)", (queue, run_id, wake_at, epoch), nothing)


def extend_claim(queue: str, run_id: UUID, seconds: int, epoch: int | None) -> Call[None]:
    return Call("select absurd.extend_claim(%s, %s, %s, %s)", (queue, run_id, seconds, epoch), nothing)


def heartbeat(queue: str, claims: Iterable[tuple[UUID, int]], seconds: int) -> Call[list[ClaimStatus]]:
    return Call(
        "select task_id, status from absurd.heartbeat(%s, %s::jsonb, %s)",
        (queue, _claims(claims), seconds),
        lambda rows: [ClaimStatus(*row) for row in rows],
    )


def release_claims(queue: str, claims: Iterable[tuple[UUID, int]]) -> Call[list[ClaimStatus]]:
    return Call(
        "select task_id, status from absurd.release_claims(%s, %s::jsonb)",
        (queue, _claims(claims)),
        lambda rows: [ClaimStatus(*row) for row in rows],
    )


def _claims(claims: Iterable[tuple[UUID, int]]) -> str:
    return json_param([{"task_id": str(task_id), "epoch": epoch} for task_id, epoch in claims], "claims")


def _claimed(row: Row) -> ClaimedTask:
    run_id, task_id, attempt, name, params, retry, most, headers, event, payload, epoch, expires, checkpoints = row
    return ClaimedTask(
        run_id=run_id,
        task_id=task_id,
        attempt=attempt,
        task_name=name,
        params=decode(params),
        retry_strategy=decode(retry),
        max_attempts=most,
        headers=decode(headers),
        wake_event=event,
        event_payload=decode(payload),
        claim_epoch=epoch,
        claim_expires_at=expires,
        checkpoints=decode(checkpoints),
    )
