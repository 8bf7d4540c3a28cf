"""BP009: a side effect, or a lock, stands in a SELECT CTE that nobody references."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.facts.statements import calls_of, idle_ctes
from tollway.audit.load.split import Statement
from tollway.audit.model import Finding, Span
from tollway.audit.parse.names import same_relation
from tollway.audit.parse.plpgsql import Node
from tollway.audit.rules.example import Case

ID = "BP009"
TITLE = "A side effect in a CTE that never runs"
WHY = "Postgres runs a SELECT in WITH only if something reads it; the call is never made, and no row is locked."


def check(analysis: Analysis) -> Iterator[Finding]:
    """Every unreferenced SELECT CTE that calls a routine which writes or notifies, or whose call is required, or that locks rows."""
    required = [need.target for need in analysis.config.require if need.kind == "call"]
    active = {w.routine for w in analysis.facts.writes} | {e.routine for e in analysis.facts.effects}
    for body in analysis.overloads:
        for node in _nodes(body.tree) if body.tree else ():
            if node.code is None or not any(t.word == "with" for t in node.code.tokens):
                continue
            for name, first, last in idle_ctes(node.code):
                if (lock := _lock(node.code, first, last)) is not None:
                    told = f"{body.routine.id}: the CTE {name} locks nothing, as nobody references it"
                    yield Finding(ID, told, lock, (), WHY, "lock in a statement of its own before", f"{body.routine.id}|{name}|lock")
                for raw in calls_of(node.code):
                    targets = [b.routine.id for b in analysis.catalog.named(raw.name)]
                    acts = raw.name.endswith("pg_notify") or any(t in active for t in targets)
                    if first < raw.index < last and (acts or any(same_relation(target, raw.name) for target in required)):
                        told = f"{body.routine.id}: {raw.name}() stands in the CTE {name}, which nobody references"
                        yield Finding(
                            ID, told, raw.span, (), WHY, "reference the CTE, or call the function by itself", f"{body.routine.id}|{name}"
                        )


def _lock(stmt: Statement, first: int, last: int) -> Span | None:
    """Where FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE or FOR KEY SHARE stands."""
    for i in range(first, last):
        if stmt.word(i) == "for" and stmt.word(i + 1) in ("update", "no", "share", "key"):
            return stmt.code.span(stmt.tokens[i].start)
    return None


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for branch in (*node.branches, *node.handlers):
        for inner in branch:
            yield from _nodes(inner)


# The page of this rule, and its test.
MEND = "Reference the CTE, or call the function, or lock, in a statement of its own."
BLIND = "A CTE that is referenced only by another one that never runs is not found."
BAD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language sql as $$
  with told as (select pg_notify('orders', p_id::text))
  select status from shop.orders where id = p_id;
$$;
""",
)
GOOD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language sql as $$
  select pg_notify('orders', p_id::text);
  select status from shop.orders where id = p_id;
$$;
""",
)
