"""BP003: a path changes the state and skips the Python wrapper that adds the effect."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules.example import Case

ID = "BP003"
TITLE = "A path changes the state and skips the Python wrapper that adds the effect"
WHY = "The wrapper looks like the only way in, and is not: this path leaves the effect out in silence."


def check(analysis: Analysis) -> Iterator[Finding]:
    """One finding for each caller that reaches a wrapped function without its wrapper."""
    python = {r.id for r in analysis.facts.routines if r.language == "python"}
    for routine, effects in _wrapped(analysis).items():
        for call in analysis.facts.calls:
            if call.target != routine or call.source == routine or call.kind in ("trigger", "default"):
                continue
            missing = sorted(e for e, wrappers in effects.items() if call.source not in wrappers)
            if not missing or (call.source in python and set(missing) != set(effects)):
                continue
            path = tuple(v.write.span for v in analysis.verdicts if v.write.routine == routine and v.effect == missing[0])
            told = f"{call.source} calls {routine} and skips {', '.join(missing)}, which only Python adds"
            yield Finding(ID, told, call.span, path, WHY, _HINT, f"{call.source}>{routine}")


def _wrapped(analysis: Analysis) -> dict[str, dict[str, set[str]]]:
    """For each routine: effects that only Python adds, and the Python functions that add them."""
    found: dict[str, dict[str, set[str]]] = {}
    for v in analysis.verdicts:
        if v.status != "python only":
            continue
        wrappers = found.setdefault(v.write.routine, {}).setdefault(v.effect, set())
        named = v.reason.removeprefix("only when ").removesuffix(" makes the change")
        wrappers.add(named)
    return found


_HINT = "move the effect into the database, so that every path has it"


# The page of this rule, and its test.
MEND = "Move the effect out of the wrapper into the database. Calling the wrapper from every path is no mend where SQL calls SQL."
BLIND = "Paths from outside of the analysed files (another repository, psql) do not show; BP002 says that they would be unprotected."
BAD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid' where id = p_id;
$$;
create function shop.import_payments(p_ids bigint[]) returns void language plpgsql as $$
declare v_id bigint;
begin
  foreach v_id in array p_ids loop
    perform shop.pay(v_id);
  end loop;
end $$;
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
create function shop.import_payments(p_ids bigint[]) returns void language plpgsql as $$
declare v_id bigint;
begin
  foreach v_id in array p_ids loop
    perform shop.pay(v_id);
  end loop;
end $$;
""",
    python="""\
def pay(conn, order_id):
    conn.execute("select shop.pay(%s)", (order_id,))
""",
)
