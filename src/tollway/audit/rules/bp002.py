"""BP002: an effect stands only in Python."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.common import subject
from tollway.audit.rules.example import Case

ID = "BP002"
TITLE = "An effect stands only in Python"
WHY = "Any other client, psql, a cron job or another SQL function changes the state without it."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each write and effect that only a Python function adds."""
    for v in analysis.verdicts:
        if v.status == "python only":
            told = f"{subject(v.write)}: {v.effect} is done by Python only ({v.reason})"
            yield Finding(ID, told, v.write.span, v.proof[1:], WHY, _HINT, f"{subject(v.write)}|{v.effect}")


_HINT = "move the effect into the database: a trigger on the table, or the function that makes the change"


# The page of this rule, and its test.
MEND = (
    "Move the effect into the function that makes the change, or into a trigger on the table. Then Python cannot forget it, and "
    "neither can psql."
)
BLIND = "A Python caller whose SQL is put together from data that is not constant is BP005, not seen as a caller."
BAD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid' where id = p_id;
$$;
""",
    python="""\
def pay(conn, order_id):
    conn.execute("select shop.pay(%s)", (order_id,))
    conn.execute("insert into shop.order_log (order_id, status) values (%s, 'paid')", (order_id,))
""",
)
GOOD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language plpgsql as $$
begin
  update shop.orders set status = 'paid' where id = p_id;
  insert into shop.order_log (order_id, status) values (p_id, 'paid');
end $$;
""",
    python="""\
def pay(conn, order_id):
    conn.execute("select shop.pay(%s)", (order_id,))
""",
)
