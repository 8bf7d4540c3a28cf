"""BP014: rows change state that no caller hears of."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.common import subject
from tollway.audit.rules.example import Case

ID = "BP014"
TITLE = "Rows change state that no caller hears of"
WHY = "A caller that mirrors states cannot mirror what it is not told."


def check(analysis: Analysis) -> Iterator[Finding]:
    """An update or delete of many rows whose rows the statement does not return, where no effect is guaranteed."""
    good = {v.write.key for v in analysis.verdicts if v.status == "guaranteed"}
    routines = {r.id: r for r in analysis.facts.routines}
    for write in analysis.facts.writes:
        routine = routines.get(write.routine)
        if routine is None or routine.language == "python" or routine.returns == "trigger" or write.key in good:
            continue
        if write.effect == "state" and write.verb in ("update", "delete") and not write.returned and not write.keyed:
            told = f"{subject(write)} changes rows that it does not return"
            yield Finding(ID, told, write.span, (), WHY, "add RETURNING, or guarantee the effects by a trigger", subject(write))


# The page of this rule, and its test.
MEND = "Add RETURNING and hand the rows back, or guarantee the effect by a trigger."
BLIND = "Whether the caller reads what it is given is not checked."
BAD_CASE = Case(
    """\
create function shop.ship_paid() returns void language sql as $$
  update shop.orders set status = 'shipped' where status = 'paid';
$$;
""",
)
GOOD_CASE = Case(
    """\
create function shop.ship_paid() returns setof bigint language sql as $$
  update shop.orders set status = 'shipped' where status = 'paid' returning id;
$$;
""",
)
