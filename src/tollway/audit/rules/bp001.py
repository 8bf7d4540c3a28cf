"""BP001: a state changes and a required effect does not surely follow."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import GOOD, Finding
from tollway.audit.rules.common import subject
from tollway.audit.rules.example import Case

ID = "BP001"
TITLE = "A state changes and a required effect does not surely follow"
WHY = "Whoever reads the effect instead of the state sees something that is no longer true."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each write and effect whose verdict is not good and does not depend on Python alone."""
    for v in analysis.verdicts:
        if v.status in GOOD or v.status == "python only":
            continue
        write = v.write
        told = f"{subject(write)} without {v.effect}: {v.status}" + (f" ({v.reason})" if v.reason else "")
        yield Finding(ID, told, write.span, v.proof[1:], WHY, _HINTS.get(v.status, _MISSING), f"{subject(write)}|{v.effect}")


_MISSING = "write the effect in a trigger on the table (AFTER, FOR EACH ROW, ENABLE ALWAYS), or in the same statement by a CTE"
_HINTS = {
    "disabled": "enable the trigger: ALTER TABLE ... ENABLE ALWAYS TRIGGER ...",
    "conditional": "let the effect follow on every path: move it out of the condition, or into a trigger without WHEN",
    "guarded": "look whether the guard is true exactly when rows changed",
}


# The page of this rule, and its test.
MEND = (
    "Write the effect in a trigger on the table (AFTER, FOR EACH ROW, without WHEN; ENABLE ALWAYS if replication roles are used), "
    "or in the same routine, outside of every condition. For `conditional`, move the effect out of the condition. For `guarded`, "
    "see whether the guard is true exactly when rows changed."
)
BLIND = (
    "A trigger that a routine makes counts as made for every table that its pattern fits. An effect that a query outside of the "
    "analysed files adds is not seen."
)
BAD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid' where id = p_id;
$$;
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
create function shop.pay(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid' where id = p_id;
$$;
""",
)
