"""What keeps an effect, or a trigger, from reaching rows although its statement runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tollway.audit.config import Requirement
from tollway.audit.facts.catalog import Catalog
from tollway.audit.parse.names import same_relation
from tollway.audit.parse.plpgsql import Node


def stops(catalog: Catalog, need: Requirement) -> Mapping[str, str]:
    """For each event on the table of a required effect: the rule, or the BEFORE trigger, that may put nothing there."""
    table = need.target.rpartition(".")[0] if need.kind == "update" and need.target.count(".") > 1 else need.target
    if need.kind not in ("insert", "update", "write"):
        return {}
    found: dict[str, str] = {}
    for rule in catalog.rules.values():
        if rule.instead and same_relation(rule.relation, table):
            found[rule.event] = f"rule {rule.name} does something else instead of the {rule.event} of {rule.relation}"
    for trigger in catalog.triggers.values():
        if (
            (trigger.timing, trigger.level) != ("before", "row")
            or not same_relation(trigger.relation, table)
            or trigger.enabled in ("D", "R")
        ):
            continue
        trees = (body.tree for body in catalog.named(trigger.function) if body.tree is not None)
        if any(_drops(node) for tree in trees for node in _nodes(tree)):
            for event in trigger.events:
                found.setdefault(event, f"trigger {trigger.name} on {trigger.relation} may return NULL, and the {event} is dropped")
    return found


def _drops(node: Node) -> bool:
    return node.kind == "return" and node.code is not None and node.code.code.text.strip().lower() == "null"


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for branch in (*node.branches, *node.handlers):
        for inner in branch:
            yield from _nodes(inner)
