"""The task was removed by clean-up or with its queue."""

from __future__ import annotations

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer


def purged(found: Situation) -> Answer | None:
    """Only its log is left."""
    if found.task is not None:
        return None
    last = found.ending
    by = f", by {last['login_role']} via {last['via']}" if last else ""
    return Answer("purged", f"The task was purged{by}: clean-up or drop_queue removed it.", f"tollway task show {found.task_id}")
