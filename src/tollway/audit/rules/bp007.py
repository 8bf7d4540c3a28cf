"""BP007: a trigger that should guarantee an effect has a hole."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding, Trigger
from tollway.audit.parse.names import may_be, same_relation
from tollway.audit.parse.plpgsql import Node
from tollway.audit.prove.conditions import Change, holds, read, rename_state
from tollway.audit.prove.ladder import Prover
from tollway.audit.prove.tree import NONE, Level
from tollway.audit.rules.example import Case

ID = "BP007"
TITLE = "A trigger on a state table has a hole"
WHY = "The trigger looks like a guarantee; some changes of state pass it by."


def check(analysis: Analysis) -> Iterator[Finding]:
    """Disabled, replica-only, dropped by a routine; a WHEN that leaves states out, UPDATE OF beside a BEFORE rewrite, ELSE NULL."""
    for trigger in analysis.facts.triggers:
        columns = tuple(s.column for s in analysis.states if _concerns(s.relation, trigger.relation))
        if not columns:
            continue
        for hole, hint in (*_switches(trigger), *_when(analysis, trigger, columns), *_columns(analysis, trigger, columns)):
            yield Finding(
                ID, f"trigger {trigger.name} on {trigger.relation}: {hole}", trigger.span, (), WHY, hint, f"{trigger.name}|{hole}"
            )
        yield from _dropped(analysis, trigger)
        yield from _else_null(analysis, trigger, columns)


def _concerns(state: str, relation: str) -> bool:
    return same_relation(state, relation) or ("*" in relation and may_be(state, relation))


def _switches(trigger: Trigger) -> Iterator[tuple[str, str]]:
    if trigger.enabled == "D":
        yield "it is disabled", "ALTER TABLE ... ENABLE ALWAYS TRIGGER ..."
    elif trigger.enabled == "R":
        yield "it fires for replication only", "ALTER TABLE ... ENABLE ALWAYS TRIGGER ..."


def _dropped(analysis: Analysis, trigger: Trigger) -> Iterator[Finding]:
    """A routine that drops the trigger and does not create it again."""
    for drop in analysis.catalog.trigger_drops:
        on = same_relation(trigger.relation, drop.relation) or may_be(trigger.relation, drop.relation)
        if drop.name == trigger.name and on and drop.routine != trigger.origin and _serves(analysis, trigger):
            hole = f"{drop.routine.split('/')[0]} drops it"
            told = f"trigger {trigger.name} on {trigger.relation}: {hole}"
            yield Finding(
                ID, told, drop.span, (trigger.span,), WHY, "let no routine drop what guarantees the effect", f"{trigger.name}|{hole}"
            )


def _serves(analysis: Analysis, trigger: Trigger) -> bool:
    """Does its function do anything that is required? A trigger that serves nothing may leave out what it likes."""
    bodies = [b.routine.id for b in analysis.catalog.named(trigger.function)]
    provers = (Prover(analysis, need) for need in analysis.config.require)
    return any(prover.summary.get(body, NONE).level is not Level.NONE for prover in provers for body in bodies)


def _labels(analysis: Analysis, trigger: Trigger, columns: tuple[str, ...]) -> set[str]:
    """The states that the table can have: by its declaration, and by what is written."""
    found: set[str] = set()
    table = analysis.catalog.table(trigger.relation)
    for column in columns:
        declared = table.columns.get(column) if table else None
        if declared:
            found |= set(declared.labels) or set(analysis.catalog.types.get(declared.type, ()))
    for write in analysis.facts.writes:
        if same_relation(trigger.relation, write.relation):
            found |= set(write.state_values)
    return found - {"default"}


def _entered(analysis: Analysis, trigger: Trigger, columns: tuple[str, ...]) -> set[str]:
    """The states in which rows come into the table."""
    table = analysis.catalog.table(trigger.relation)
    defaults = [table.columns[c].default for c in columns if table and c in table.columns]
    found = {d.split("::")[0].strip("'") for d in defaults if d.startswith("'")}
    for write in analysis.facts.writes:
        if write.verb in ("insert", "merge") and same_relation(trigger.relation, write.relation):
            found |= set(write.state_values)
    return found - {"default"}


def _when(analysis: Analysis, trigger: Trigger, columns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not trigger.when or not any(f"new.{c}" in trigger.when.lower().replace(" ", "") for c in columns):
        return
    cond = read(rename_state(trigger.when, columns))
    event = trigger.events[0] if len(trigger.events) == 1 else "update"
    labels = _entered(analysis, trigger, columns) if event == "insert" else _labels(analysis, trigger, columns)
    out = sorted(label for label in labels if holds(cond, Change(event, columns, frozenset({label}))) is False)
    if not out or not _serves(analysis, trigger):
        return
    left = [label for label in out if not _seen_by_another(analysis, trigger, Change(event, columns, frozenset({label})))]
    if left:
        yield f"its WHEN leaves out {', '.join(left)}", "drop the WHEN, or name every state"


def _seen_by_another(analysis: Analysis, trigger: Trigger, change: Change) -> bool:
    """Does another trigger on the table, that serves what is required too, fire for this change whatever else is true?"""
    for other in analysis.facts.triggers:
        if other is trigger or not same_relation(other.relation, trigger.relation) or other.enabled in ("D", "R"):
            continue
        fires = change.event in other.events and (not other.columns or bool(set(change.columns) & set(other.columns)))
        if fires and (not other.when or holds(read(rename_state(other.when, change.columns)), change)) and _serves(analysis, other):
            return True
    return False


def _columns(analysis: Analysis, trigger: Trigger, columns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not trigger.columns or not set(columns) & set(trigger.columns):
        return
    for other in analysis.facts.triggers:
        if other.timing != "before" or not _concerns(other.relation, trigger.relation):
            continue
        for body in analysis.catalog.named(other.function):
            text = body.code.text.lower().replace(" ", "") if body.code else ""
            if any(f"new.{c}:=" in text for c in columns):
                yield f"UPDATE OF does not see the column when {other.name} sets it before", "use AFTER UPDATE without OF"


def _else_null(analysis: Analysis, trigger: Trigger, columns: tuple[str, ...]) -> Iterator[Finding]:
    for body in analysis.catalog.named(trigger.function):
        for node in _cases(body.tree) if body.tree else ():
            text = " ".join(c.code.text for c in (node.code, *node.conds) if c is not None).lower()
            if any(f"new.{c}" in text for c in columns) and _does_nothing(node.branches[-1]) and node.conds[-1] is None:
                where = body.code.span(node.at) if body.code else body.routine.span
                told = f"trigger {trigger.name} on {trigger.relation}: a {node.kind.upper()} on the state ends in ELSE NULL"
                yield Finding(ID, told, where, (trigger.span,), WHY, _ELSE, f"{trigger.name}|else")
        for write in analysis.facts.writes:
            if write.routine == body.routine.id and write.partial:
                told = (
                    f"trigger {trigger.name} on {trigger.relation}: a CASE gives NULL for moves that it does not list: they go unrecorded"
                )
                yield Finding(ID, told, write.span, (trigger.span,), WHY, _ELSE, f"{trigger.name}|else")


_ELSE = "raise in the ELSE, or record the state whatever it is"


def _does_nothing(nodes: list[Node]) -> bool:
    return all(n.kind == "other" and n.word == "null" for n in nodes)


def _cases(node: Node) -> Iterator[Node]:
    if node.kind in ("case", "if"):
        yield node
    for branch in (*node.branches, *node.handlers):
        for inner in branch:
            yield from _cases(inner)


# The page of this rule, and its test.
MEND = (
    "Let the trigger fire for every change: no WHEN on a list of states, no UPDATE OF beside a BEFORE trigger that sets the "
    "column, no ELSE NULL; enable it (`ENABLE ALWAYS`)."
)
BLIND = (
    "`session_replication_role = replica`, set by a client, switches off every trigger that is not ENABLE ALWAYS; the text cannot "
    "show who sets it. A trigger that serves no required effect may have any hole."
)
BAD_CASE = Case(
    """\
create function shop.note_order() returns trigger language plpgsql as $$
begin
  insert into shop.order_log (order_id, status) values (new.id, new.status);
  return null;
end $$;
create trigger note_order after update on shop.orders
  for each row when (new.status = 'paid') execute function shop.note_order();
""",
)
GOOD_CASE = Case(
    """\
create function shop.note_order() returns trigger language plpgsql as $$
begin
  insert into shop.order_log (order_id, status) values (new.id, new.status);
  return null;
end $$;
create trigger note_order after update on shop.orders
  for each row when (new.status is distinct from old.status) execute function shop.note_order();
""",
)
