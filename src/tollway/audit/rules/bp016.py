"""BP016: a suppression is unused, over, or wrong."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.example import Case

ID = "BP016"
TITLE = "A suppression is unused, over, or wrong"
WHY = "What silences nothing today silences the next finding at its place, which nobody has looked at."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each suppression that silences nothing, whose last day is over, or that has no rule or no reason."""
    for idle in analysis.idle:
        yield Finding(ID, idle.problem, idle.span, (), WHY, idle.hint, idle.subject)


# The page of this rule, and its test.
MEND = (
    "Remove the comment or the `[[suppress]]` when its finding is gone. When its day is over, mend the finding or decide again. Every "
    "suppression names a rule and a reason."
)
BLIND = "Whether the reason is true. A suppression of files that this scan did not read counts as unused."
BAD_CASE = Case(
    """\
create function shop.price(p_id bigint) returns bigint language sql as $$
  -- tollway: ignore BP001 reason="the log is written by the caller"
  select id from shop.orders where id = p_id;
$$;
""",
)
GOOD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language sql as $$
  -- tollway: ignore BP001, BP014 reason="a repair by hand, for one day" owner=billing
  update shop.orders set status = 'paid' where id = p_id;
$$;
""",
)
