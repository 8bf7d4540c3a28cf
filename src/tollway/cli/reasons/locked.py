"""Another transaction holds the task's row, or the whole table."""

from __future__ import annotations

from typing import Any

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer

MOST_QUERY = 200


def table_locked(found: Situation) -> Answer | None:
    """Nothing can be claimed while somebody alters the table or drops a queue."""
    return None if found.table_lock is None else of_table(found.table_lock)


def row_locked(found: Situation) -> Answer | None:
    """Claim and sweep skip a row that somebody else holds."""
    if found.locker is None or found.state not in ("pending", "sleeping", "running"):
        return None
    says = f"Its row is locked by {_who(found.locker)}: claims and sweeps pass over it until that transaction ends."
    return Answer("row_locked", says, _end(found.locker), _facts(found.locker))


def of_table(lock: dict[str, Any]) -> Answer:
    """The answer about a lock of the whole table, which may be all that can be read."""
    says = f"The whole table of tasks is locked ({lock['mode']}) by {_who(lock)}: no task can move until that transaction ends."
    return Answer("table_locked", says, _end(lock), _facts(lock))


def _who(holder: dict[str, Any]) -> str:
    name = f" ({holder['application_name']})" if holder["application_name"] else ""
    return f"process {holder['pid']} of {holder['usename']}{name}"


def _facts(holder: dict[str, Any]) -> tuple[str, ...]:
    query = " ".join((holder["query"] or "").split())[:MOST_QUERY]
    open_for = (
        f"Its transaction is open for {float(holder['open_for']):.1f} s, {holder['state']}." if holder["open_for"] is not None else ""
    )
    return tuple(fact for fact in (open_for, f"Its statement: {query}" if query else "") if fact)


def _end(holder: dict[str, Any]) -> str:
    return f"psql -c 'select pg_terminate_backend({holder['pid']})'   # if it may not go on"
