"""The mutants of a schema, made from its catalog: each is the SQL that breaks one thing, and the question that shows it is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tollway.audit.analysis import Analysis
from tollway.audit.facts.catalog import Body
from tollway.audit.live import Connection
from tollway.audit.load.tokens import scan
from tollway.audit.model import GOOD, Call, Effect, Write
from tollway.audit.parse.plpgsql import Node
from tollway.audit.prove.ladder import Prover
from tollway.audit.prove.tree import Level

_TRIGGERS = """
select format('%I.%I', n.nspname, c.relname), g.tgname, pg_get_triggerdef(g.oid), g.tgfoid,
       format('%I.%I', pn.nspname, p.proname), g.oid
from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
join pg_proc p on p.oid = g.tgfoid join pg_namespace pn on pn.oid = p.pronamespace
where not g.tgisinternal and g.tgparentid = 0 and n.nspname <> 'tollway_audit'
order by 1, 2"""
_ROUTINES = """
select format('%I.%I/%s', n.nspname, p.proname, p.pronargs), pg_get_functiondef(p.oid), p.prosrc, p.oid
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
where l.lanname in ('plpgsql', 'sql') and p.prosqlbody is null and n.nspname !~ '^(pg_|information_schema$)'"""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`probe` answers true in the catalog exactly when the mutation is in place."""

    kind: str
    subject: str
    sql: str
    probe: str

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


def all_mutants(connection: Connection, analysis: Analysis) -> list[Mutant]:
    """Every trigger dropped, disabled and narrowed; every trigger function emptied; every required effect taken out."""
    return [*_of_triggers(connection), *_of_functions(connection), *_of_effects(connection, analysis)]


def _of_triggers(connection: Connection) -> Iterator[Mutant]:
    for table, name, definition, _function, _called, oid in connection.execute(_TRIGGERS).fetchall():
        subject = f"trigger {name} on {table}"
        here = f"from pg_trigger where tgrelid = '{table}'::regclass and tgname = {_quoted(name)}"
        yield Mutant("drop", subject, f'drop trigger "{name}" on {table}', f"select not exists (select {here})")
        disabled = f"select tgenabled = 'D' {here}"
        yield Mutant("disable", subject, f'alter table {table} disable trigger "{name}"', disabled)
        again = f'drop trigger "{name}" on {table}; '
        enable = _switch(connection, oid, table, name)
        never = re.sub(r"( WHEN \(.*\))? EXECUTE FUNCTION", " WHEN (false) EXECUTE FUNCTION", definition, count=1, flags=re.S)
        yield Mutant("narrow", subject, again + never + enable, f"select pg_get_triggerdef(oid) like '%WHEN (false)%' {here}")
        other = _other_column(connection, table) if re.search(r"\bUPDATE ON\b", definition) and "REFERENCING" not in definition else ""
        if other:
            column = re.sub(r"\bUPDATE ON\b", f'UPDATE OF "{other}" ON', definition, count=1)
            yield Mutant(f"update of {other}", subject, again + column + enable, f"select tgattr <> '' {here}")


def _switch(connection: Connection, oid: int, table: str, name: str) -> str:
    row = connection.execute("select tgenabled from pg_trigger where oid = %s", (oid,)).fetchone()
    switch = {"A": "enable always", "R": "enable replica", "D": "disable"}.get(row[0] if row else "O")
    return f'; alter table {table} {switch} trigger "{name}"' if switch else ""


def _other_column(connection: Connection, table: str) -> str:
    """The table's last column: seldom the one that a trigger is there for."""
    query = """select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''
               order by attnum desc limit 1"""
    row = connection.execute(query, (table,)).fetchone()
    return str(row[0]) if row else ""


def _of_functions(connection: Connection) -> Iterator[Mutant]:
    """A trigger function that does nothing and lets the row pass."""
    routines = {oid: (definition, source) for _, definition, source, oid in connection.execute(_ROUTINES).fetchall()}
    done: set[int] = set()
    for _table, _name, _definition, function, called, _oid in connection.execute(_TRIGGERS).fetchall():
        if function in done or function not in routines:
            continue
        done.add(function)
        definition, source = routines[function]
        empty = "\nbegin\n  return case tg_op when 'DELETE' then old else new end;\nend\n"
        yield Mutant("empty", f"function {called}", definition.replace(source, empty), _reads(function, empty))


def _of_effects(connection: Connection, analysis: Analysis) -> Iterator[Mutant]:
    """Each statement that is, or calls, a required effect: in the functions of triggers, and elsewhere where a verdict rests on it."""
    live = {name: (definition, source, oid) for name, definition, source, oid in connection.execute(_ROUTINES).fetchall()}
    provers = [Prover(analysis, need) for need in analysis.config.require]
    fired = {id(body) for t in analysis.facts.triggers for body in analysis.catalog.named(t.function)}
    rest = {span for v in analysis.verdicts if v.status in GOOD for span in v.proof[1:]}
    owed = {w.write.key for w in analysis.verdicts}
    for body in analysis.overloads:
        if body.tree is None or body.code is None or body.routine.id not in live:
            continue
        definition, source, oid = live[body.routine.id]
        for node in _nodes(body.tree):
            facts = [f for f in node.facts if isinstance(f, (Write, Call, Effect))]
            if node.kind not in ("sql", "perform", "execute") or any(isinstance(f, Write) and f.key in owed for f in facts):
                continue  # with the change itself gone, nothing is owed
            if id(body) not in fired and not any(f.span in rest for f in facts):
                continue
            reaches = [(p.need.effect, p.judge(f)) for p in provers for f in facts]
            mine = list(dict.fromkeys(effect for effect, r in reaches if r.level is Level.ALWAYS and r.proof))
            cut = _without(body, node, source) if mine else None
            if cut is not None:
                line, without = cut
                subject = f"effect {' and '.join(mine)} in {body.routine.name} line {line}"
                yield Mutant("take out", subject, definition.replace(source, without), _reads(oid, without))


def _without(body: Body, node: Node, source: str) -> tuple[int, str] | None:
    """The line of a statement, and the body without it."""
    at = node.at
    if body.routine.language == "sql" and node.code is not None and body.code is not None:
        at = node.code.code.at(0) - body.code.at(0)
    end = next((t.end for t in scan(source[at:]) if t.word == ";" and t.kind == "op"), None)
    if end is None and body.routine.language == "sql":  # its last statement needs none
        end = len(source) - at
    if end is None:
        return None
    line = source.count("\n", 0, at) + 1
    return line, f"{source[:at]}{'' if body.routine.language == 'sql' else 'null;'}{source[at + end :]}"


def _reads(oid: int, source: str) -> str:
    return f"select prosrc = {_quoted(source)} from pg_proc where oid = {oid}"


def _quoted(text: str) -> str:
    tag = "$m$" if "$m$" not in text else "$mutant$"
    return f"{tag}{text}{tag}"


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for branch in (*node.branches, *node.handlers):
        for inner in branch:
            yield from _nodes(inner)
