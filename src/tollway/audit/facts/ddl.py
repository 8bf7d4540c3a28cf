"""Applying the statements of a schema, in order, to a catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tollway.audit.facts.binding import select_items
from tollway.audit.facts.catalog import Body, Catalog, Rule, Table, TriggerDrop
from tollway.audit.facts.routines import language_of, read_routine, read_tree, schemas, sets_replica
from tollway.audit.facts.tables import alter_table, create_table, labels_of
from tollway.audit.facts.triggers import create_trigger
from tollway.audit.load.code import join
from tollway.audit.load.split import Statement
from tollway.audit.load.tokens import literal
from tollway.audit.model import Routine
from tollway.audit.parse.names import close_of, commas, name_at, same_relation
from tollway.audit.parse.plpgsql import sub

_NOISE = frozenset(
    {"or", "replace", "temp", "temporary", "unlogged", "global", "local", "recursive", "constraint", "event", "materialized", "foreign"}
)


def apply(stmt: Statement, catalog: Catalog, origin: str) -> Body | None:
    """Take one statement in. Returns the routine that it defines or is (DO), if any."""
    head = stmt.word(0)
    if head == "create":
        return _create(stmt, catalog, origin)
    if head == "drop":
        _drop(stmt, catalog, origin)
    elif head == "alter":
        _alter(stmt, catalog)
    elif head == "do":
        return _do(stmt, catalog)
    elif head == "set" or (head == "select" and "set_config" in [t.word for t in stmt.tokens[:6]]):
        _set(stmt, catalog)
    elif head in ("grant", "revoke"):
        _grant(stmt, catalog, head)
    return None


def _kind(stmt: Statement) -> tuple[str, int]:
    at = 1
    while stmt.word(at) in _NOISE:
        at += 1
    kind = stmt.word(at)
    at += 1
    if stmt.word(at) == "concurrently":
        at += 1
    if stmt.word(at) == "if":
        at += 2 + (stmt.word(at + 1) == "not")
    return kind, at


def _create(stmt: Statement, catalog: Catalog, origin: str) -> Body | None:
    kind, at = _kind(stmt)
    if kind in ("function", "procedure"):
        body = read_routine(stmt, at, catalog, "file" if origin.startswith("(") else "dynamic")
        if body is not None:
            catalog.bodies[_signature(body.routine)] = body
        return body
    if kind == "table":
        create_table(stmt, at, catalog)
    elif kind == "view":
        name, _ = name_at(stmt.tokens, at)
        name = catalog.qualify(name)
        catalog.tables[name] = Table(name, stmt.code.span(0), view=True, parent=_base(stmt, at))
        _view_columns(stmt, at, name, catalog)
    elif kind == "trigger":
        create_trigger(stmt, at, catalog, origin)
    elif kind in ("type", "domain"):
        name, after = name_at(stmt.tokens, at)
        enum = kind == "type" and stmt.word(after) == "as" and stmt.word(after + 1) == "enum"
        labels = labels_of(stmt, after, len(stmt.tokens)) if enum or kind == "domain" else ()
        if labels:
            catalog.types[name] = labels
    elif kind == "policy":
        catalog.policies[_on_table(stmt, at)] = stmt.code.span(0)
    elif kind == "rule":
        return _rule(stmt, catalog, at)
    return None


def _view_columns(stmt: Statement, at: int, name: str, catalog: Catalog) -> None:
    """The columns of a view that have another name than in the table below."""
    _, after = name_at(stmt.tokens, at)
    given: list[str] = []
    if stmt.word(after) == "(":
        close = close_of(stmt.tokens, after)
        given = [stmt.word(a) for a, _ in commas(stmt.tokens, after + 1, close)]
        after = close + 1
    start = next((i for i in range(after, len(stmt.tokens)) if stmt.word(i) == "select"), len(stmt.tokens))
    for k, (alias, a, b) in enumerate(select_items(sub(stmt, start, len(stmt.tokens)))):
        alias = given[k] if k < len(given) else alias
        plain = all(t.kind in ("name", "quoted") or t.word == "." for t in stmt.tokens[start + a : start + b])
        if alias and plain and b > a and alias != stmt.word(start + b - 1):
            catalog.renamed_columns[name, alias] = stmt.word(start + b - 1)


def _base(stmt: Statement, at: int) -> str:
    """The one table below a view; a view of several takes no writes by itself."""
    froms = [i for i in range(at, len(stmt.tokens)) if stmt.word(i) == "from"]
    if len(froms) != 1 or any(t.word in ("join", "union", "group", "distinct") for t in stmt.tokens):
        return ""
    name, after = name_at(stmt.tokens, froms[0] + 1)
    return "" if stmt.word(after) in (",", "(") else name


def _signature(routine: Routine) -> str:
    return f"{routine.name}({','.join(_type(a) for a in routine.args)})"


_ALIASES = {"int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "bool": "boolean", "varchar": "character varying"}
_ALIASES |= {
    "timestamptz": "timestamp with time zone",
    "timestamp without time zone": "timestamp",
    "decimal": "numeric",
    "float8": "double precision",
}


def _type(written: str) -> str:
    """One spelling for each type, so that OR REPLACE finds what it replaces."""
    text = " ".join(written.lower().split()).removeprefix("pg_catalog.")
    array = text.endswith("[]")
    text = text.removesuffix("[]").split("(")[0].strip()
    return _ALIASES.get(text, text) + ("[]" if array else "")


def _rule(stmt: Statement, catalog: Catalog, at: int) -> Body | None:
    name, _ = name_at(stmt.tokens, at)
    relation = event = ""
    for i, token in enumerate(stmt.tokens):
        if token.word == "on" and token.kind == "name" and not event:
            event = stmt.word(i + 1)
        elif token.word == "to" and token.kind == "name" and not relation:
            written, _ = name_at(stmt.tokens, i + 1)
            table = catalog.table(written)
            relation = table.name if table else catalog.qualify(written)
        elif token.word == "do" and token.kind == "name":
            rule = Rule(name, relation, event, stmt.word(i + 1) == "instead", stmt.code.span(0, len(stmt.code.text)))
            catalog.rules[relation, name] = rule
            span = stmt.code.span(0, len(stmt.code.text))
            at = i + 1 + (stmt.word(i + 1) in ("also", "instead"))
            several = stmt.word(at) == "("
            last = close_of(stmt.tokens, at) if several else len(stmt.tokens)
            rest = sub(stmt, at + several, last).code
            routine = Routine(f"rule {name}/0", f"rule {name}", (), span, span.end, "sql")
            body = Body(routine, (), rest, read_tree(routine, rest, catalog))
            catalog.bodies[routine.id] = body
            return body
    return None


def _do(stmt: Statement, catalog: Catalog) -> Body | None:
    for token in stmt.tokens:
        if token.kind in ("string", "dollar"):
            code = join(literal(stmt.code, token), stmt.code.source, dynamic=stmt.code.dynamic)
            span = stmt.code.span(0, len(stmt.code.text))
            name = f"do at {span.file}:{span.line}"
            language = language_of(stmt, [t.word for t in stmt.tokens], 0) or "plpgsql"
            routine = Routine(f"{name}/0", name, (), span, span.end, language)
            body = Body(routine, (), code, read_tree(routine, code, catalog))
            catalog.bodies[name] = body
            return body
    return None


def _drop(stmt: Statement, catalog: Catalog, origin: str) -> None:
    """What a script or a DO block drops is gone. Whether a routine that drops something is ever called, the text cannot say."""
    kind, at = _kind(stmt)
    later = not origin.startswith(("(", "do at "))
    if kind in ("trigger", "rule", "policy"):
        _drop_from_table(stmt, catalog, kind, at, origin if later else "")
    elif not later:
        for start, stop in commas(stmt.tokens, at, len(stmt.tokens)):
            name, after = name_at(stmt.tokens, start)
            _drop_named(stmt, catalog, kind, catalog.qualify(name), after, stop)


def _drop_from_table(stmt: Statement, catalog: Catalog, kind: str, at: int, routine: str) -> None:
    """DROP TRIGGER, DROP RULE and DROP POLICY: `name ON table`."""
    relation, name = _on_table(stmt, at)
    if routine:
        if kind == "trigger":
            catalog.trigger_drops.append(TriggerDrop(name, relation, routine, stmt.code.span(0)))
        return
    kinds: dict[str, dict[tuple[str, str], Any]] = {"trigger": catalog.triggers, "rule": catalog.rules, "policy": catalog.policies}
    hung = kinds[kind]
    for key in [k for k in hung if k[1] == name and same_relation(k[0], relation)]:
        del hung[key]
        if kind == "rule":
            catalog.bodies.pop(f"rule {name}/0", None)


def _on_table(stmt: Statement, at: int) -> tuple[str, str]:
    """(table, name) of `name ON table`."""
    name, after = name_at(stmt.tokens, at)
    return name_at(stmt.tokens, after + 1)[0], name


def _drop_named(stmt: Statement, catalog: Catalog, kind: str, name: str, after: int, stop: int) -> None:
    if kind in ("function", "procedure", "routine", "aggregate"):
        _drop_routine(stmt, catalog, name, after, stop)
    elif kind in ("table", "view") and "*" not in name:
        _drop_table(catalog, name)
    elif kind == "schema":
        for hung in [k for k, b in catalog.bodies.items() if b.routine.name.startswith(f"{name}.")]:
            del catalog.bodies[hung]
        for table in [t for t in catalog.tables if t.startswith(f"{name}.")]:
            _drop_table(catalog, table)


def _drop_table(catalog: Catalog, name: str) -> None:
    catalog.tables.pop(name, None)
    for key in [k for k in catalog.triggers if same_relation(k[0], name)]:
        del catalog.triggers[key]
    for rule in [k for k in catalog.rules if same_relation(k[0], name)]:
        del catalog.rules[rule]
    catalog.references[:] = [r for r in catalog.references if not same_relation(r[0], name)]
    catalog.fk_actions[:] = [f for f in catalog.fk_actions if not same_relation(f.relation, name)]


def _drop_routine(stmt: Statement, catalog: Catalog, name: str, after: int, stop: int) -> None:
    overloads = [k for k, b in catalog.bodies.items() if b.routine.name == name]
    if stmt.word(after) == "(" and after < stop:
        wanted: list[str] = []
        for a, b in commas(stmt.tokens, after + 1, close_of(stmt.tokens, after)):
            text = stmt.code.text[stmt.tokens[a].start : stmt.tokens[b - 1].end] if b > a else ""
            wanted.append(_type(text))
        same = [k for k in overloads if len(catalog.bodies[k].routine.args) == len(wanted)]
        exact = [k for k in same if all(_type_in(t, w) for t, w in zip(catalog.bodies[k].routine.args, wanted, strict=True))]
        overloads = exact or (same if len(same) == 1 else [])
    for key in overloads:
        del catalog.bodies[key]
    if "cascade" in [t.word for t in stmt.tokens[-2:]] and not any(b.routine.name == name for b in catalog.bodies.values()):
        for hung in [k for k, t in catalog.triggers.items() if t.function == name]:
            del catalog.triggers[hung]


def _type_in(declared: str, written: str) -> bool:
    """A DROP may repeat the parameter's name before its type."""
    declared = _type(declared)
    return written == declared or written.endswith(f" {declared}")


def _alter(stmt: Statement, catalog: Catalog) -> None:
    kind, at = _kind(stmt)
    name, after = name_at(stmt.tokens, at)
    if kind in ("table", "view"):
        alter_table(stmt, at, catalog)
    elif kind == "type":
        _alter_type(stmt, catalog, name, after)
    elif kind in ("function", "procedure", "routine"):
        _alter_routine(stmt, catalog, name, close_of(stmt.tokens, after) + 1 if stmt.word(after) == "(" else after)
    elif kind == "trigger" and stmt.word(after) == "on":
        relation, to = name_at(stmt.tokens, after + 1)
        for key in [k for k in catalog.triggers if k[1] == name and same_relation(k[0], relation) and stmt.word(to) == "rename"]:
            catalog.triggers[key[0], stmt.word(to + 2)] = replace(catalog.triggers.pop(key), name=stmt.word(to + 2))
    elif kind == "schema" and stmt.word(after) == "rename":
        _rename_schema(catalog, name, stmt.word(after + 2))


def _alter_routine(stmt: Statement, catalog: Catalog, name: str, after: int) -> None:
    if stmt.word(after) == "rename":
        _rename(catalog, name, name_at(stmt.tokens, after + 2)[0])
    elif stmt.word(after) == "set" and stmt.word(after + 1) == "schema":
        _rename(catalog, name, f"{stmt.word(after + 2)}.{name.rsplit('.', 1)[-1]}")
    elif stmt.word(after) == "set" and stmt.word(after + 1) == "search_path":
        for body in [b for b in catalog.bodies.values() if b.routine.name == catalog.qualify(name)]:
            body.routine = replace(body.routine, search_path=", ".join(schemas(stmt, after + 3)))
    elif "session_replication_role" in [t.word for t in stmt.tokens[after:]] or [t.word for t in stmt.tokens[after:]] == ["reset", "all"]:
        for body in [b for b in catalog.bodies.values() if b.routine.name == catalog.qualify(name)]:
            body.replica = bool(sets_replica(stmt, after))


def _alter_type(stmt: Statement, catalog: Catalog, name: str, after: int) -> None:
    if name not in catalog.types:
        return
    if stmt.word(after) == "add":
        catalog.types[name] += labels_of(stmt, after, len(stmt.tokens))[:1]
    elif stmt.word(after) == "rename" and stmt.word(after + 1) == "value":
        old, new = (*labels_of(stmt, after, len(stmt.tokens)), "", "")[:2]
        catalog.types[name] = tuple(new if label == old else label for label in catalog.types[name])


def _rename_schema(catalog: Catalog, old: str, new: str) -> None:
    for table in [t for t in catalog.tables if t.startswith(f"{old}.")]:
        catalog.rename_table(table, f"{new}.{table.partition('.')[2]}")
    for name in {b.routine.name for b in catalog.bodies.values() if b.routine.name.startswith(f"{old}.")}:
        _rename(catalog, name, f"{new}.{name.partition('.')[2]}")


def _rename(catalog: Catalog, old: str, new: str) -> None:
    if "." in old and "." not in new:
        new = f"{old.split('.')[0]}.{new}"
    for at, trigger in catalog.triggers.items():
        if trigger.function == old:
            catalog.triggers[at] = replace(trigger, function=new)
    for key in [k for k, b in catalog.bodies.items() if b.routine.name == old]:
        body = catalog.bodies.pop(key)
        body.routine = replace(body.routine, name=new, id=f"{new}/{len(body.routine.args)}")
        catalog.bodies[_signature(body.routine)] = body


def _set(stmt: Statement, catalog: Catalog) -> None:
    words = [t.word for t in stmt.tokens]
    if words[0] == "select":  # set_config('search_path', 'app', false)
        texts = [i for i, t in enumerate(stmt.tokens) if t.kind == "string"]
        named = texts and "".join(p.text for p in literal(stmt.code, stmt.tokens[texts[0]])).lower() == "search_path"
        if named:
            catalog.search_path = next(iter(schemas(stmt, texts[1])), "") if len(texts) > 1 else ""
    elif "search_path" in words:
        catalog.search_path = next(iter(schemas(stmt, words.index("search_path") + 2)), "")


def _grant(stmt: Statement, catalog: Catalog, head: str) -> None:
    words = [t.word for t in stmt.tokens]
    link = "to" if head == "grant" else "from"
    if "on" not in words or link not in words:
        return
    on, to = words.index("on"), len(words) - 1 - words[::-1].index(link)
    start = on + 1 + (words[on + 1] in ("table", "function", "procedure"))
    if words[on + 1] in ("schema", "sequence", "all", "database", "type", "language"):
        return
    for a, _b in commas(stmt.tokens, start, to):
        name, _ = name_at(stmt.tokens, a)
        for privilege in [w for w in words[1:on] if w.isalpha()]:
            for role in [w for w in words[to + 1 :] if w not in (",", "with", "grant", "option")]:
                entry = (privilege, name, role)
                if head == "grant":
                    catalog.grants.append((*entry, stmt.code.span(0)))
                else:
                    catalog.grants[:] = [g for g in catalog.grants if g[1:3] != entry[1:] or (privilege != "all" and g[0] != privilege)]
