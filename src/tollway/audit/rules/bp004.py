"""BP004: python writes a state table itself."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.common import subject
from tollway.audit.rules.example import Case

ID = "BP004"
TITLE = "Python writes a state table itself"
WHY = "Each such statement must repeat what the functions and triggers of the schema guarantee, and will drift."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each write of a state that stands in Python."""
    python = {r.id for r in analysis.facts.routines if r.language == "python"}
    for write in analysis.facts.writes:
        if write.routine in python and write.effect != "other":
            sure = "" if write.effect == "state" else "may be "
            told = f"{sure}direct DML on a state table: {subject(write)}"
            yield Finding(ID, told, write.span, (), WHY, "call a function of the schema instead", subject(write))


# The page of this rule, and its test.
MEND = (
    "Call a function of the schema instead. Where Python must write the table, let a trigger do everything the change owes, and "
    "ignore the finding."
)
BLIND = "Attribute assignments of an ORM are reported as `may be`; SQL that arrives from a file read at run time is not seen."
BAD_CASE = Case(
    """\
create function shop.note_order() returns trigger language plpgsql as $$
begin
  insert into shop.order_log (order_id, status) values (new.id, new.status);
  return null;
end $$;
create trigger note_order after insert or update on shop.orders
  for each row execute function shop.note_order();
""",
    python="""\
def ship(conn, order_id):
    conn.execute("update shop.orders set status = 'shipped' where id = %s", (order_id,))
""",
)
GOOD_CASE = Case(
    """\
create function shop.note_order() returns trigger language plpgsql as $$
begin
  insert into shop.order_log (order_id, status) values (new.id, new.status);
  return null;
end $$;
create trigger note_order after insert or update on shop.orders
  for each row execute function shop.note_order();
create function shop.ship(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'shipped' where id = p_id;
$$;
""",
    python="""\
def ship(conn, order_id):
    conn.execute("select shop.ship(%s)", (order_id,))
""",
)
