"""A cancellation rule or a deadline has come, or comes."""

from __future__ import annotations

from tollway.cli.queries.explain import Situation
from tollway.cli.reasons.answer import Answer
from tollway.cli.story import value_of, when


def rule_due(found: Situation) -> Answer | None:
    """It will not run any more: the next claim on its queue cancels it."""
    cancel_at = found.row["cancel_at"]
    if found.state not in ("pending", "sleeping", "running") or cancel_at is None or cancel_at > found.now:
        return None
    says = f"Its cancellation rule came {when(cancel_at, found.now)}: the next claim on queue {found.row['queue_name']} cancels it."
    return Answer("rule_due", says, f"tollway worker MODULE:APP --queue {found.row['queue_name']}", _rules(found))


def rule_ahead(found: Situation) -> Answer | None:
    """It still has time."""
    cancel_at = found.row["cancel_at"]
    if found.state not in ("pending", "sleeping", "running") or cancel_at is None or cancel_at <= found.now:
        return None
    says = f"A cancellation rule or its deadline may end it {when(cancel_at, found.now)}."
    return Answer("rule_ahead", says, f"tollway task show {found.task_id}", _rules(found))


def _rules(found: Situation) -> tuple[str, ...]:
    facts = []
    if found.row["cancellation"]:
        facts.append(f"Its rules: {value_of(found.row['cancellation'], None)}")
    if found.row["deadline"]:
        facts.append(f"Its deadline: {when(found.row['deadline'], found.now)}")
    return tuple(facts)
