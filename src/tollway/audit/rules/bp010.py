"""BP010: a scheduled job changes a state."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import GOOD, Finding
from tollway.audit.rules.common import reach
from tollway.audit.rules.example import Case

ID = "BP010"
TITLE = "A scheduled job changes a state"
WHY = "Nobody waits for its result: an effect that a caller would add is missing here."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each cron command that reaches a state write whose effects are not all guaranteed."""
    weak = {v.write.routine for v in analysis.verdicts if v.status not in GOOD}
    for call in analysis.facts.calls:
        if call.kind == "cron":
            path = reach(analysis, call.target, weak)
            if path is not None:
                told = f"a job scheduled by {call.source} runs {call.target}, which changes a state without a required effect"
                yield Finding(ID, told, call.span, path, WHY, "guarantee the effect in a trigger", f"{call.source}>{call.target}")


# The page of this rule, and its test.
MEND = "Guarantee the effect in a trigger, or in the function that the job calls: a job has no caller who could add it."
BLIND = (
    "Only `cron.schedule` and its like, and the `schedulers` of the configuration, are known to run SQL later. A crontab of the "
    "operating system is not seen."
)
BAD_CASE = Case(
    """\
create function shop.ship_paid() returns setof bigint language sql as $$
  update shop.orders set status = 'shipped' where status = 'paid' returning id;
$$;
select cron.schedule('ship', '*/5 * * * *', 'select shop.ship_paid()');
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
create function shop.ship_paid() returns setof bigint language sql as $$
  update shop.orders set status = 'shipped' where status = 'paid' returning id;
$$;
select cron.schedule('ship', '*/5 * * * *', 'select shop.ship_paid()');
""",
)
