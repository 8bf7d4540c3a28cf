"""How a workflow ended, as its starter learns it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from tollway.errors import TollwayError

FIRST_POLL, LONGEST_POLL = 0.01, 0.5


class WorkflowFailed(TollwayError):
    """The workflow failed; its recorded reason says why."""

    def __init__(self, task_id: UUID, reason: Mapping[str, Any]) -> None:
        self.task_id = task_id
        self.reason = reason
        name, message = reason.get("name", "failure"), reason.get("message", "")
        super().__init__(f"task {task_id} failed: {name}: {message}", hint=f"see `tollway task show {task_id}`.")


class WorkflowCancelled(TollwayError):
    """The workflow was cancelled before it could finish."""

    def __init__(self, task_id: UUID) -> None:
        self.task_id = task_id
        super().__init__(f"task {task_id} was cancelled", hint=f"see `tollway task show {task_id}`.")


class ResultNotReady(TollwayError, TimeoutError):
    """The workflow was still unfinished when the caller's patience ended; it goes on."""


def outcome_of(task_id: UUID, state: str, result: Any, reason: Any) -> tuple[bool, Any]:
    """(whether it ended, its result). Raises: WorkflowFailed, WorkflowCancelled."""
    if state == "completed":
        return True, result
    if state == "failed":
        raise WorkflowFailed(task_id, reason if isinstance(reason, Mapping) else {"message": str(reason)})
    if state == "cancelled":
        raise WorkflowCancelled(task_id)
    return False, None


def poll_delays() -> Iterator[float]:
    """Seconds between looks: quick at first, then twice a second."""
    delay = FIRST_POLL
    while True:
        yield delay
        delay = min(delay * 1.5, LONGEST_POLL)
