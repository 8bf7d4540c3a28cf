"""What the status of an answered operation means to the run that handed it over."""

from __future__ import annotations

from tollway.errors import CheckpointConflict, InvalidOption
from tollway.workflow.control import Dropped
from tollway.workflow.operations import Answer

OK, ALREADY = "ok", "already"
BUSY, SKIPPED = "busy", "skipped"
STALE, CANCELLED = "stale", "cancelled"
CONFLICT, REFUSED = "conflict", "refused"


def failure_of(answer: Answer) -> BaseException | None:
    """The exception that the run must see, or None if the operation happened.

    A lost lease and a cancellation are control flow: the handler stops there, and nothing is reported.
    """
    status = answer["status"]
    if status in (OK, ALREADY):
        return None
    if status in (STALE, CANCELLED):
        return Dropped(status)
    if status == CONFLICT:
        return CheckpointConflict(
            answer.get("error") or "the step is recorded with another value",
            hint="the first recorded value stands; run the task again to continue from it.",
        )
    return InvalidOption(answer.get("error") or f"the database answered {status!r}", hint="see the operation's docs.")
