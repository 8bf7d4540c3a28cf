"""Calls about queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.model import QueuePolicy
from tollway.protocol.call import Call, json_param, nothing


def create_queue(queue: str, storage_mode: str = "unpartitioned") -> Call[None]:
    return Call("select absurd.create_queue(%s, %s)", (queue, storage_mode), nothing)


def drop_queue(queue: str) -> Call[None]:
    return Call("select absurd.drop_queue(%s)", (queue,), nothing)


def list_queues() -> Call[list[str]]:
    return Call("select queue_name from absurd.list_queues()", (), lambda rows: [r[0] for r in rows])


def get_queue_policy(queue: str) -> Call[QueuePolicy | None]:
    return Call("select * from absurd.get_queue_policy(%s)", (queue,), lambda rows: QueuePolicy(*rows[0]) if rows else None)


def set_queue_policy(queue: str, policy: Mapping[str, Any]) -> Call[None]:
    return Call("select absurd.set_queue_policy(%s, %s::jsonb)", (queue, json_param(dict(policy), "policy")), nothing)
