"""Workers take the task and put it back, because they do not know its name."""

from __future__ import annotations

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer
from tollway.cli.story import when


def unknown_name(found: Situation) -> Answer | None:
    """Its last move was a put-back, or the one before the claim that is due."""
    if found.put_backs is None or not found.put_backs["times"] or found.row["last_event"] != "run.put_back":
        return None
    times, worker = found.put_backs["times"], found.put_backs["worker"]
    name, queue = found.row["task_name"], found.row["queue_name"]
    says = f"No worker that took it knows a workflow named {name!r}: it was put back {times} times, last by {worker or 'a worker'}."
    facts = (
        f"The next one may try {when(found.row['available_at'], found.now)}.",
        "Is the release that has it running? Was the workflow renamed?",
    )
    return Answer("unknown_name", says, f"tollway worker MODULE:APP --queue {queue}   # where {name} is declared", facts)
