"""The task could run: is there anybody to take it?"""

from __future__ import annotations

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer
from tollway.cli.story import when

MOST_COUNTED = 1000


def no_worker(found: Situation) -> Answer | None:
    """It is due, and no worker shows itself on its queue."""
    if not found.is_due or found.idle_workers or found.busy_workers:
        return None
    queue = found.row["queue_name"]
    due = f"It was due {when(found.row['available_at'], found.now)}."
    facts = [f"{due} No worker waits for work on queue {queue}, and none holds a task of it."]
    if found.connected_workers:
        facts.append(f"{found.connected_workers} workers are connected to this database: do they work on another queue?")
    facts.append("A worker of another SDK shows itself only while it holds a task.")
    says = f"It is {found.state} and may run, but no worker is seen on queue {queue}."
    return Answer("no_worker", says, f"tollway worker MODULE:APP --queue {queue}", tuple(facts))


def its_turn(found: Situation) -> Answer | None:
    """Workers are there; others come first, or it is about to be taken."""
    if not found.is_due or not (found.idle_workers or found.busy_workers):
        return None
    queue = found.row["queue_name"]
    workers = f"{found.busy_workers} workers are busy on queue {queue}, {found.idle_workers} wait for work."
    if found.ahead:
        count = f"more than {MOST_COUNTED}" if found.ahead > MOST_COUNTED else str(found.ahead)
        says = f"It waits for its turn: {count} tasks of queue {queue} come before it."
        return Answer(
            "its_turn", says, f"tollway worker MODULE:APP --queue {queue}   # another worker, or a higher --concurrency", (workers,)
        )
    says = f"It is the next of queue {queue}, due since {when(found.row['available_at'], found.now)}."
    return Answer("its_turn", says, f"tollway log tail --follow --task {found.task_id}", (workers,))
