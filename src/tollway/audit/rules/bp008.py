"""BP008: rows of a state table, or of a required record, vanish by another way than DELETE."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.parse.names import same_relation
from tollway.audit.rules.common import subject
from tollway.audit.rules.example import Case

ID = "BP008"
TITLE = "Rows of a state table, or of a required record, vanish by another way than DELETE"
WHY = "Row triggers do not see TRUNCATE, DROP and DETACH; a cascade is started by a table that nobody looks at."


def check(analysis: Analysis) -> Iterator[Finding]:
    """Cascades into, and removals of, state tables and the tables of required effects; foreign keys that set a state."""
    targets = [n.target for n in analysis.config.require if n.kind in ("insert", "write")]
    watched = [s.relation for s in analysis.states] + targets
    for action in analysis.facts.fk_actions:
        if action.action == "cascade" and any(same_relation(w, action.relation) for w in watched):
            told = f"a {action.event} in {action.target} cascades into {action.relation}"
            yield Finding(
                ID, told, action.span, (), WHY, "use NO ACTION, and delete through a function", f"{action.target}>{action.relation}"
            )
    for action in analysis.facts.fk_actions:
        if action.action != "cascade" and any(
            same_relation(s.relation, action.relation) and s.column in action.columns for s in analysis.states
        ):
            told = f"a {action.event} in {action.target} moves {action.relation}.{action.columns[0]} ({action.action})"
            yield Finding(ID, told, action.span, (), WHY, "use NO ACTION, and move the rows first", f"{action.target}>{action.relation}")
    for write in analysis.facts.writes:
        targeted = any(same_relation(t, write.relation) for t in targets)
        if write.verb in ("truncate", "drop", "detach") and (write.effect != "other" or targeted):
            told = f"{write.verb} removes rows of {write.relation} in {write.routine}"
            yield Finding(ID, told, write.span, (), WHY, "delete rows, or record what goes", subject(write))


# The page of this rule, and its test.
MEND = (
    "Delete rows with DELETE, so that row triggers see them; reference with NO ACTION, and delete through a function. Where "
    "history is dropped on purpose, record what goes and ignore the finding."
)
BLIND = (
    "Cascades are found by their declaration, not by whether anybody deletes the parent. The CASCADE of DROP and TRUNCATE is not followed."
)
BAD_CASE = Case(
    """\
create table shop.order_item (
  order_id bigint not null,
  item     text not null
);
create function shop.clear_basket() returns void language sql as $$
  truncate shop.orders, shop.order_item;
$$;
""",
)
GOOD_CASE = Case(
    """\
create table shop.order_item (
  order_id bigint not null,
  item     text not null
);
create function shop.clear_basket() returns void language sql as $$
  truncate shop.order_item;
$$;
""",
)
