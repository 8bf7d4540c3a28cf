"""BP006: something could not be read."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.example import Case

ID = "BP006"
TITLE = "Something could not be read"
WHY = "What is not read is not proved; a clean result would be a guess."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each routine, file or statement that was not analysed."""
    for unknown in analysis.facts.unknowns:
        if unknown.kind != "dynamic":
            told = f"not analysed ({unknown.kind}): {unknown.routine}: {unknown.detail}"
            yield Finding(ID, told, unknown.span, (), WHY, _HINT, f"{unknown.kind}|{unknown.routine}|{unknown.detail}")


_HINT = "give plain SQL in UTF-8; exclude what has no bearing on states"


# The page of this rule, and its test.
MEND = (
    "Give plain SQL in UTF-8; write functions that change states in SQL or PL/pgSQL. Exclude files that have no bearing on states "
    "(`exclude`)."
)
BLIND = "What stands in another language is named, and not read."
BAD_CASE = Case(
    """\
create function shop.price(p_id bigint) returns numeric language plpython3u as $$
  return plpy.execute("select 1")[0]
$$;
""",
)
GOOD_CASE = Case(
    """\
create function shop.price(p_id bigint) returns numeric language sql as $$
  select 1
$$;
""",
)
