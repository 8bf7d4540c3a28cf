"""How a workflow ended, as its starter learns it."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from typing import Any
from uuid import UUID

from tollway.errors import AwaitTimedOut, InvalidOption, TaskFailed, WrongState
from tollway.model import TaskResult

QUICK_POLL, QUICK_LOOKS, QUICK_WAITERS = 0.001, 10, 4
"""An idle worker has most tasks done within milliseconds: what is waited for alone, or nearly so, is looked for in each of the first."""
FIRST_POLL, LONGEST_POLL = 0.002, 0.5


def outcome_of(task_id: UUID, state: str, result: Any, reason: Any) -> tuple[bool, Any]:
    """(whether it ended, its result). Raises: TaskFailed, also for a cancelled task."""
    if state == "completed":
        return True, result
    if state in ("failed", "cancelled"):
        raise TaskFailed(
            f"task {task_id} {failure_text(state, reason)}",
            state=state,
            reason=reason,
            hint=hint_of(task_id, reason),
        )
    return False, None


def hint_of(task_id: UUID, reason: Any) -> str:
    """The failure's own hint, and where the rest is."""
    own = reason.get("hint") if isinstance(reason, Mapping) else None
    return f"{own} " * (own is not None) + f"See `tollway task show {task_id}`."


def failure_text(state: str, reason: Any) -> str:
    """How a task ended that did not complete, as the end of a sentence."""
    verb = {"failed": "failed", "cancelled": "was cancelled", "purged": "was cleaned up before its result was read"}.get(state, state)
    return f"{verb}{_because(reason)}"


def _because(reason: Any) -> str:
    if not isinstance(reason, Mapping):
        return ""
    return f": {reason.get('name', 'failure')}: {reason.get('message', '')}"


def poll_delays(waiters: set[object]) -> Generator[float]:
    """Seconds between looks: quick at first, then twice a second. `waiters` are those of the application that wait at this time."""
    waiter = object()
    waiters.add(waiter)  # and never a counter: they may be threads
    try:
        for _ in range(QUICK_LOOKS):
            if len(waiters) > QUICK_WAITERS:
                break
            yield QUICK_POLL
        delay = FIRST_POLL
        while True:
            yield delay
            delay = min(delay * 1.25, LONGEST_POLL)
    finally:
        waiters.discard(waiter)


def found_task(queue: str, task_id: UUID, found: TaskResult | None) -> TaskResult:
    """Raises: WrongState, when the queue has no such task."""
    if found is None:
        hint = "was it cleaned up, its start rolled back, or is it in another queue?"
        raise WrongState(f"task {task_id} does not exist in queue {queue}", hint=hint)
    return found


def check_reason(reason: object) -> None:
    """Raises: InvalidOption, when it is no text that can be stored."""
    if reason is not None and (not isinstance(reason, str) or "\0" in reason):
        raise InvalidOption(f"reason is {reason!r}", hint="use a text without NUL.")


def patience(task_id: UUID, ends: float | None, delay: float) -> float:
    """Seconds to the next look, none after `ends` (monotonic). Raises: AwaitTimedOut, when that has passed."""
    if ends is None:
        return delay
    left = ends - time.monotonic()
    if left <= 0:
        raise AwaitTimedOut(f"task {task_id} has not ended yet", hint="it goes on; ask again later.")
    return min(delay, left)
