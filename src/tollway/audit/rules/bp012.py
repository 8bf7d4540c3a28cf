"""BP012: paired state columns are not updated together."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.common import subject
from tollway.audit.rules.example import Case

ID = "BP012"
TITLE = "Paired state columns are not updated together"
WHY = "Two columns tell one story; a statement that moves one alone makes them disagree."


def check(analysis: Analysis) -> Iterator[Finding]:
    """An update that sets one of two state columns of a table, where other updates set both."""
    together: dict[str, set[tuple[str, ...]]] = {}
    updates = [w for w in analysis.facts.writes if w.verb == "update" and w.effect == "state"]
    for write in updates:
        if len(write.state_columns) > 1:
            together.setdefault(write.relation, set()).add(write.state_columns)
    for write in updates:
        for pair in together.get(write.relation, ()):
            left = [c for c in pair if c not in write.columns]
            if left and any(c in write.columns for c in pair) and "*" not in write.columns:
                told = f"{subject(write)} sets {', '.join(write.state_columns)} and leaves {', '.join(left)}, which move together elsewhere"
                yield Finding(ID, told, write.span, (), WHY, f"set {', '.join(left)} in the same statement", f"{subject(write)}|{left}")


# The page of this rule, and its test.
MEND = "Set both columns in the same statement; or make one a generated column of the other."
BLIND = "It needs one statement that sets both: columns that never move together are not a pair."
BAD_CASE = Case(
    """\
alter table shop.orders add column billing text not null default 'open' check (billing in ('open', 'settled'));
create function shop.pay(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid', billing = 'settled' where id = p_id;
$$;
create function shop.pay_in_cash(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid' where id = p_id;
$$;
""",
    config="""\
state = ["shop.orders.status", "shop.orders.billing"]
""",
)
GOOD_CASE = Case(
    """\
alter table shop.orders add column billing text not null default 'open' check (billing in ('open', 'settled'));
create function shop.pay(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid', billing = 'settled' where id = p_id;
$$;
create function shop.pay_in_cash(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid', billing = 'settled' where id = p_id;
$$;
""",
    config="""\
state = ["shop.orders.status", "shop.orders.billing"]
""",
)
