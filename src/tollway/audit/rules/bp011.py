"""BP011: an exception handler may swallow a required effect."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.common import subject
from tollway.audit.rules.example import Case

ID = "BP011"
TITLE = "An exception handler may swallow a required effect"
WHY = "The state change commits and the effect is gone without a trace."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each effect that stands in a block whose handler does not raise."""
    for v in analysis.verdicts:
        if "exception handler" in v.reason:
            told = f"{subject(v.write)}: {v.effect} stands in a block whose exception handler does not raise"
            yield Finding(ID, told, v.write.span, v.proof[1:], WHY, "raise again in the handler", f"{subject(v.write)}|{v.effect}")


# The page of this rule, and its test.
MEND = "Raise again in the handler, or leave the handler out. A log that may fail is no log."
BLIND = "A handler that raises under a condition counts as one that does not raise."
BAD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language plpgsql as $$
begin
  update shop.orders set status = 'paid' where id = p_id;
  begin
    insert into shop.order_log (order_id, status) values (p_id, 'paid');
  exception when others then
    raise notice 'not logged';
  end;
end $$;
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
)
