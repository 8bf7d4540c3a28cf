"""BP013: a statement sets a state that the declared state machine does not have, or makes a move that it forbids."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding, Write
from tollway.audit.parse.names import same_relation
from tollway.audit.rules.common import subject
from tollway.audit.rules.example import Case

ID = "BP013"
TITLE = "A move that the declared state machine forbids"
WHY = "The statement fails at run time, or leaves a row in a state from which nothing leads on."


def check(analysis: Analysis) -> Iterator[Finding]:
    """States that are written and not declared: by `moves` of the configuration, by the CHECK, or by the enum. Moves that `moves` lacks."""
    for write in analysis.facts.writes:
        if write.effect != "state" or not write.state_columns:
            continue
        for column in write.state_columns:
            declared = _declared(analysis, write.relation, column)
            given = {v for c, v in write.values if c == column and v not in ("?", "null", "default")}
            odd = sorted(given - declared) if declared else []
            if odd:
                told = f"{subject(write)}: {', '.join(odd)} is no state that a row may move to ({', '.join(sorted(declared))})"
                yield Finding(ID, told, write.span, (), WHY, "correct the value, or declare the state", f"{subject(write)}|{odd}")
            wrong = _forbidden(analysis, write, column, given - set(odd))
            if wrong:
                told = f"{subject(write)}: {', '.join(wrong)} is no declared move"
                yield Finding(ID, told, write.span, (), WHY, "correct the condition, or declare the move", f"{subject(write)}|{wrong}")


def _forbidden(analysis: Analysis, write: Write, column: str, given: set[str]) -> list[str]:
    """The moves from a state that the WHERE asks for, which the declared machine does not have."""
    moves = _machine(analysis, write.relation, column)
    came = {v for c, v in write.held if c == column}
    return sorted(f"{a} -> {b}" for a in came for b in given if moves and a != b and (a, b) not in moves)


def _machine(analysis: Analysis, relation: str, column: str) -> set[tuple[str, str]]:
    for name, moves in analysis.config.moves.items():
        table, _, state = name.rpartition(".")
        if state == column and same_relation(table, relation):
            return {(a.strip(), b.strip()) for a, _, b in (move.partition("->") for move in moves)}
    return set()


def _declared(analysis: Analysis, relation: str, column: str) -> set[str]:
    for name, moves in analysis.config.moves.items():
        table, _, state = name.rpartition(".")
        if state == column and same_relation(table, relation):
            return {move.split("->")[-1].strip() for move in moves}
    table_ = analysis.catalog.table(relation)
    found = table_.columns.get(column) if table_ else None
    if found is None:
        return set()
    return set(found.labels) or set(analysis.catalog.types.get(found.type, ()))


# The page of this rule, and its test.
MEND = "Correct the value, or declare the state in the CHECK, the enum or `[moves]`."
BLIND = (
    "A value that comes from a parameter is not known and not reported. The state from which a row moves is known only where the WHERE of "
    "an UPDATE names it."
)
BAD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'payed' where id = p_id;
$$;
""",
)
GOOD_CASE = Case(
    """\
create function shop.pay(p_id bigint) returns void language sql as $$
  update shop.orders set status = 'paid' where id = p_id;
$$;
""",
)
