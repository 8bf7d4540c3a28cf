"""Why a task stands still: each reason looks at the same situation, and says nothing if it is not the one.

The order is that of weight: what must go away first comes first. Several may hold at once: a task whose worker is gone may
also be locked.
"""

from __future__ import annotations

from collections.abc import Callable

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer
from tollway.cli.reasons.claiming import its_turn, no_worker
from tollway.cli.reasons.ended import cancelled, completed, failed
from tollway.cli.reasons.locked import row_locked, table_locked
from tollway.cli.reasons.purged import purged
from tollway.cli.reasons.rules import rule_ahead, rule_due
from tollway.cli.reasons.running import lease_expired, running
from tollway.cli.reasons.schema_behind import schema_behind
from tollway.cli.reasons.times import backing_off, delayed_start, sleeping_until
from tollway.cli.reasons.unknown_name import unknown_name
from tollway.cli.reasons.waiting import missed_wake_up, waiting_for_event, waiting_for_task

__all__ = ["REASONS", "Answer", "reasons_of", "schema_behind"]

Reason = Callable[[Situation], Answer | None]
OVER: tuple[Reason, ...] = (purged, completed, failed, cancelled)
REASONS: tuple[Reason, ...] = (
    table_locked,
    row_locked,
    rule_due,
    unknown_name,
    missed_wake_up,
    waiting_for_event,
    waiting_for_task,
    backing_off,
    delayed_start,
    sleeping_until,
    lease_expired,
    running,
    no_worker,
    its_turn,
    rule_ahead,
)


def reasons_of(found: Situation) -> list[Answer]:
    """All that hold, the weightiest first."""
    over = [answer for reason in OVER if (answer := reason(found)) is not None]
    return over or [answer for reason in REASONS if (answer := reason(found)) is not None]
