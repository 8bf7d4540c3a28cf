"""The task is over."""

from __future__ import annotations

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer
from tollway.cli.story import reason_of, when


def completed(found: Situation) -> Answer | None:
    """It has its result."""
    if found.state != "completed":
        return None
    return Answer("completed", f"It completed {when(found.row['ended_at'], found.now)}.", f"tollway task show {found.task_id}")


def failed(found: Situation) -> Answer | None:
    """It failed for good."""
    if found.state != "failed":
        return None
    most = found.row["max_attempts"]
    attempts = f"attempt {found.row['attempt']}" + (f" of {most}" if most else "")
    says = f"It failed {when(found.row['ended_at'], found.now)}, in {attempts}: {reason_of(found.row['error'])}"
    facts = ("Finished steps are kept: a retry goes on after them.", f"The whole story: tollway task show {found.task_id} --full")
    return Answer("failed", says, f"tollway task retry {found.task_id}", facts)


def cancelled(found: Situation) -> Answer | None:
    """Somebody, or a rule, cancelled it."""
    if found.state != "cancelled":
        return None
    last = found.ending
    by = f" by {last['login_role']} via {last['via']}" if last else ""
    says = f"It was cancelled {when(found.row['ended_at'], found.now)}{by}: {reason_of(found.row['error'])}"
    start = f"tollway start {found.row['task_name']} --queue {found.row['queue_name']}"
    return Answer("cancelled", says, f"{start} 'ITS PARAMS'", ("A cancelled task is final: start a new one.",))
