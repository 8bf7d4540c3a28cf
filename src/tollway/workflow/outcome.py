"""How a workflow ended, as its starter learns it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from tollway.errors import TaskFailed

FIRST_POLL, LONGEST_POLL = 0.01, 0.5


def outcome_of(task_id: UUID, state: str, result: Any, reason: Any) -> tuple[bool, Any]:
    """(whether it ended, its result). Raises: TaskFailed, also for a cancelled task."""
    if state == "completed":
        return True, result
    if state in ("failed", "cancelled"):
        raise TaskFailed(
            f"task {task_id} {'failed' if state == 'failed' else 'was cancelled'}{_because(reason)}",
            state=state,
            reason=reason,
            hint=f"see `tollway task show {task_id}`.",
        )
    return False, None


def _because(reason: Any) -> str:
    if not isinstance(reason, Mapping):
        return ""
    return f": {reason.get('name', 'failure')}: {reason.get('message', '')}"


def poll_delays() -> Iterator[float]:
    """Seconds between looks: quick at first, then twice a second."""
    delay = FIRST_POLL
    while True:
        yield delay
        delay = min(delay * 1.5, LONGEST_POLL)
