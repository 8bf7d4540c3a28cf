"""The task's time has not come."""

from __future__ import annotations

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer
from tollway.cli.story import reason_of, when


def backing_off(found: Situation) -> Answer | None:
    """An attempt failed, and the next one waits for the back-off to pass."""
    if found.wakes_in is None or found.row["last_event"] != "run.retried":
        return None
    most = found.row["max_attempts"]
    attempt = f"attempt {found.row['attempt']}" + (f" of {most}" if most else "")
    says = f"It failed and is tried again, as {attempt}, {when(found.row['available_at'], found.now)}."
    return Answer("backing_off", says, f"tollway task show {found.task_id} --full", (f"The last error: {reason_of(found.row['error'])}",))


def delayed_start(found: Situation) -> Answer | None:
    """It was started with a delay."""
    if found.wakes_in is None or found.row["last_event"] != "task.spawned":
        return None
    says = f"It was started with a delay, and may run {when(found.row['available_at'], found.now)}."
    return Answer("delayed_start", says, f"tollway task show {found.task_id}")


def sleeping_until(found: Situation) -> Answer | None:
    """The workflow asked to sleep."""
    if found.wakes_in is None or found.waits or found.row["last_event"] in ("run.retried", "task.spawned", "run.put_back"):
        return None
    last = found.steps["last"] if found.steps else None
    facts = (f"Its last step was {last!r}.",) if last else ()
    return Answer(
        "sleeping_until", f"It sleeps, and wakes {when(found.row['available_at'], found.now)}.", f"tollway task show {found.task_id}", facts
    )
