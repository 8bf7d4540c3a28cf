"""What the configuration tells about a routine that its text cannot: conditions that hold, names that a computed name can mean.

An assumption is applied to the facts before anything is proved, and must match something: one that nothing needs any more
is named like a place that could not be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tollway.audit.config import Assumption
from tollway.audit.facts.catalog import Body
from tollway.audit.model import Facts, Span, Unknown, Write
from tollway.audit.parse.names import same_relation
from tollway.audit.parse.plpgsql import Node
from tollway.audit.prove.conditions import read


def assume(assumptions: Sequence[Assumption], bodies: Sequence[Body], facts: Facts) -> None:
    """Put the assumptions into the trees and the writes."""
    for told in assumptions:
        mine = [b for b in bodies if same_relation(told.routine, b.routine.name)]
        used = _narrow(told, {b.routine.id for b in mine}, mine, facts) if told.means else _decide(told, mine)
        if not used:
            what = f"{told.condition or told.relation} does not occur in {told.routine}"
            facts.unknowns.append(Unknown("unused assumption", told.routine, Span("configuration", 1), what))


def _decide(told: Assumption, bodies: Sequence[Body]) -> bool:
    """Replace the condition by its truth."""
    used = False
    for body in bodies:
        for node in _nodes(body.tree) if body.tree else ():
            for i, cond in enumerate(node.conds):
                if cond is not None and _plain(cond.code.text) == _plain(told.condition):
                    node.conds[i] = read("true" if told.holds else "false")
                    used = True
    return used


def _narrow(told: Assumption, routines: set[str], bodies: Sequence[Body], facts: Facts) -> bool:
    """Replace each write of the computed name by one for each name that it can mean."""
    narrowed: dict[str, list[Write]] = {}
    for write in facts.writes:
        if write.routine in routines and write.relation == told.relation:
            narrowed[write.key] = [replace(write, relation=name) for name in told.means]
    facts.writes[:] = [one for write in facts.writes for one in narrowed.get(write.key, [write])]
    for body in bodies:
        for node in _nodes(body.tree) if body.tree else ():
            node.facts[:] = [one for fact in node.facts for one in (narrowed.get(fact.key, [fact]) if isinstance(fact, Write) else [fact])]
    return bool(narrowed)


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for branch in (*node.branches, *node.handlers):
        for inner in branch:
            yield from _nodes(inner)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
