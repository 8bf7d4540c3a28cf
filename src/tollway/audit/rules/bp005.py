"""BP005: dynamic SQL whose text is not known."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.example import Case

ID = "BP005"
TITLE = "Dynamic SQL whose text is not known"
WHY = "Nothing can be said of what it changes: it may be any state."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each EXECUTE, or query of Python, that could not be resolved."""
    for unknown in analysis.facts.unknowns:
        if unknown.kind == "dynamic":
            told = f"dynamic SQL not resolved in {unknown.routine}: {unknown.detail}"
            yield Finding(ID, told, unknown.span, (), WHY, _HINT, f"{unknown.routine}|{unknown.detail}")


_HINT = "build the text from constants and format() with %I and %L, beside the EXECUTE"


# The page of this rule, and its test.
MEND = (
    "Build the text beside the EXECUTE, from constants and `format()` with `%I` and `%L`. Where a computed name has few meanings, "
    "say them with `[[assume]]` and `means`."
)
BLIND = "Text from a table, a setting or a parameter is never known."
BAD_CASE = Case(
    """\
create function shop.run_saved(p_name text) returns void language plpgsql as $$
declare v_sql text;
begin
  select body into v_sql from shop.saved where name = p_name;
  execute v_sql;
end $$;
""",
)
GOOD_CASE = Case(
    """\
create function shop.vacate(p_part int) returns void language plpgsql as $$
begin
  execute format('delete from %I where done', 'basket_' || p_part);
end $$;
""",
)
