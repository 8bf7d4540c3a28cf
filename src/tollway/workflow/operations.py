"""What a run asks of the database, as the operations of `absurd.worker_sync`.

Plain dictionaries on purpose: they are made once for each step and go to the wire as they are. Task and epoch are
added where they are sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

Operation = dict[str, Any]
Answer = Mapping[str, Any]

WAITS = frozenset({"await", "await_task"})
"""Answered with an outcome: suspended, or what was waited for."""


class Port(Protocol):
    """Where an asynchronous run hands over its operations; they apply together or not at all."""

    def hand_over(self, *operations: Operation) -> Awaitable[Answer]:
        """The last one's answer, to be awaited. Raises: Dropped, if the task is no longer ours."""


class SyncPort(Protocol):
    """The same for a run in a thread; blocks until the answer is there."""

    def hand_over(self, *operations: Operation) -> Answer:
        """As `Port.hand_over`."""


def checkpoint(step: str, state: Any, duration_ms: float | None = None) -> Operation:
    return {"op": "checkpoint", "step": step, "state": state, "duration_ms": duration_ms}


def complete(result: Any) -> Operation:
    return {"op": "complete", "result": result}


def fail(reason: Mapping[str, Any], *, retryable: bool = True) -> Operation:
    """The delay of the retry is the task's own strategy's business."""
    return {"op": "fail", "reason": reason, "retry_in": None, "retryable": retryable}


def sleep(seconds: float) -> Operation:
    """Counted on the database's clock, from the moment it is applied."""
    return {"op": "sleep", "seconds": seconds}


def await_event(step: str, event: str, timeout: float | None) -> Operation:
    return {"op": "await", "step": step, "event": event, "timeout": timeout}


def emit(event: str, payload: Any) -> Operation:
    return {"op": "emit", "event": event, "payload": payload}


def put_back(seconds: float) -> Operation:
    return {"op": "put_back", "seconds": seconds}


def release() -> Operation:
    return {"op": "release"}


def await_task(step: str, task_id: str, timeout: float | None) -> Operation:
    """Until another task has ended, whichever queue it is in."""
    return {"op": "await_task", "step": step, "task": task_id, "timeout": timeout}


def spawn(step: str, queue: str, task_name: str, params: Any, options: Mapping[str, Any]) -> Operation:
    """Start a child and record its id under `step`."""
    return {"op": "spawn", "step": step, "queue": queue, "task_name": task_name, "params": params, "options": options}
