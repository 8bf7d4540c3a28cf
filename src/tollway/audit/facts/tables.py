"""CREATE TABLE and ALTER TABLE: columns, defaults, the labels that checks allow, and the actions of foreign keys."""

from __future__ import annotations

from dataclasses import replace

from tollway.audit.facts.catalog import Catalog, Column, Table
from tollway.audit.load.split import Statement
from tollway.audit.load.tokens import literal
from tollway.audit.model import FkAction, Trigger
from tollway.audit.parse.names import close_of, commas, name_at, same_relation, short

_CONSTRAINT = frozenset({"constraint", "check", "primary", "unique", "foreign", "exclude", "like"})
_BESIDE = frozenset({"or", "and", "in", "any", "some", "array", "is", "not", "null", "text", "character", "varying", "varchar", "bpchar"})
_OPTION = frozenset({"not", "null", "default", "check", "constraint", "references", "unique", "primary", "generated", "collate"})


def text_of(stmt: Statement, first: int, last: int) -> str:
    """The text of tokens first..last."""
    return stmt.code.text[stmt.tokens[first].start : stmt.tokens[last - 1].end] if last > first else ""


def labels_of(stmt: Statement, first: int, last: int) -> tuple[str, ...]:
    """The string constants between two tokens."""
    found = ["".join(p.text for p in literal(stmt.code, t)) for t in stmt.tokens[first:last] if t.kind == "string"]
    return tuple(dict.fromkeys(found))


def create_table(stmt: Statement, at: int, catalog: Catalog) -> None:
    """Columns and constraints of a new table."""
    name, after = name_at(stmt.tokens, at)
    name = catalog.qualify(name)
    if not name or (name in catalog.tables and stmt.word(at - 1) == "exists" and catalog.tables[name].columns):
        return
    table = Table(name, stmt.code.span(stmt.tokens[at].start))
    if stmt.word(after) == "partition":
        table.parent, after = name_at(stmt.tokens, after + 2)
    catalog.tables[name] = table
    if stmt.word(after) != "(":
        return
    close = close_of(stmt.tokens, after)
    for start, stop in commas(stmt.tokens, after + 1, close):
        if stmt.word(start) == "like":
            model = catalog.table(name_at(stmt.tokens, start + 1)[0])
            table.columns |= {c.name: replace(c) for c in model.columns.values()} if model else {}
        _element(stmt, start, stop, table, catalog)
    if stmt.word(close + 1) == "inherits":
        listed = commas(stmt.tokens, close + 3, close_of(stmt.tokens, close + 2))
        table.bases = tuple(catalog.qualify(name_at(stmt.tokens, a)[0]) for a, _ in listed)


def _element(stmt: Statement, start: int, stop: int, table: Table, catalog: Catalog) -> None:
    if start >= stop:
        return
    if stmt.tokens[start].kind == "name" and stmt.word(start) in _CONSTRAINT:
        _constraint(stmt, start, stop, table, catalog)
    else:
        _column(stmt, start, stop, table, catalog)


def _column(stmt: Statement, start: int, stop: int, table: Table, catalog: Catalog) -> None:
    name = stmt.word(start)
    cut = next((k for k in range(start + 1, stop) if stmt.tokens[k].kind == "name" and stmt.word(k) in _OPTION), stop)
    column = Column(name, text_of(stmt, start + 1, cut).lower())
    for k in range(cut, stop):
        word = stmt.word(k) if stmt.tokens[k].kind == "name" else ""
        if word == "default" and not column.default:
            end = next((m for m in range(k + 2, stop) if stmt.tokens[m].kind == "name" and stmt.word(m) in _OPTION), stop)
            column.default = text_of(stmt, k + 1, end)
        elif word == "check" and stmt.word(k + 1) == "(":
            labels = _check_labels(stmt, k + 1, close_of(stmt.tokens, k + 1)).get(name, ())
            _allow(table, column, labels, stmt.word(k - 1) if stmt.word(k - 2) == "constraint" else "")
        elif word == "references":
            _references(stmt, k, stop, table, (name,), catalog)
    table.columns[name] = column


def _constraint(stmt: Statement, start: int, stop: int, table: Table, catalog: Catalog) -> None:
    for k in range(start, stop):
        word = stmt.word(k)
        if word == "check":
            for name, labels in _check_labels(stmt, k + 1, close_of(stmt.tokens, k + 1)).items():
                _allow(table, table.columns.setdefault(name, Column(name)), labels, stmt.word(start + 1) if k > start else "")
            return
        if word == "foreign":
            close = close_of(stmt.tokens, k + 2)
            columns = tuple(stmt.word(a) for a, _ in commas(stmt.tokens, k + 3, close))
            _references(stmt, close + 1, stop, table, columns, catalog)
            return


def _allow(table: Table, column: Column, labels: tuple[str, ...], constraint: str) -> None:
    """A CHECK lists what a column may hold; of two CHECKs the first is kept. Postgres names one that has no name."""
    if labels and not column.labels:
        column.labels, column.check = labels, constraint or f"{short(table.name)}_{column.name}_check"


def _check_labels(stmt: Statement, first: int, last: int) -> dict[str, tuple[str, ...]]:
    """`status in ('a', 'b')`, `status = any (array['a', 'b'])` and alternatives `status = 'a' or ...`: labels by column."""
    found: dict[str, tuple[str, ...]] = {}
    words = [t.word for t in stmt.tokens[first:last] if t.kind in ("name", "quoted")]
    if any(word == "not" and words[i + 1 : i + 2] != ["null"] for i, word in enumerate(words)):
        return {}
    for k in range(first, last):
        token = stmt.tokens[k]
        if token.kind not in ("name", "quoted"):
            continue
        at = k + 1
        while stmt.word(at) in (")", "::", "text", "character", "varying") and at < last:
            at += 1
        if stmt.word(at) == "in" and stmt.word(at + 1) == "(":
            labels = labels_of(stmt, at + 1, close_of(stmt.tokens, at + 1))
        elif stmt.word(at) == "=" and stmt.word(at + 1) in ("any", "some"):
            labels = labels_of(stmt, at + 2, close_of(stmt.tokens, at + 2))
        elif stmt.word(at) == "=" and at + 1 < last and stmt.tokens[at + 1].kind == "string":
            labels = found.get(token.word, ()) + labels_of(stmt, at + 1, at + 2)
        else:
            continue
        found[token.word] = labels
    if "or" in words and (len(found) > 1 or set(words) - _BESIDE - found.keys()):
        return {}  # another condition stands beside the list: it holds for some rows only
    return {name: labels for name, labels in found.items() if len(labels) > 1}


def _references(stmt: Statement, k: int, stop: int, table: Table, columns: tuple[str, ...], catalog: Catalog) -> None:
    target, at = name_at(stmt.tokens, k + 1)
    catalog.references.append((table.name, catalog.qualify(target)))
    for m in range(at, stop - 2):
        if stmt.word(m) == "on" and stmt.word(m + 1) in ("delete", "update"):
            action = stmt.word(m + 2) if stmt.word(m + 2) == "cascade" else f"{stmt.word(m + 2)} {stmt.word(m + 3)}"
            if action in ("cascade", "set null", "set default"):
                where = stmt.code.span(stmt.tokens[m].start)
                catalog.fk_actions.append(FkAction(table.name, columns, target, stmt.word(m + 1), action, where))  # type: ignore[arg-type]


def alter_table(stmt: Statement, at: int, catalog: Catalog) -> None:
    """Every action of an ALTER TABLE."""
    if stmt.word(at) == "only":
        at += 1
    name, after = name_at(stmt.tokens, at)
    if not name:
        return
    after += stmt.word(after) == "*"
    table = catalog.table(name)
    if table is None:
        table = catalog.tables.setdefault(catalog.qualify(name), Table(catalog.qualify(name), stmt.code.span(stmt.tokens[at].start)))
    for start, stop in commas(stmt.tokens, after, len(stmt.tokens)):
        _action(stmt, start, stop, table, catalog)


def _action(stmt: Statement, start: int, stop: int, table: Table, catalog: Catalog) -> None:
    words = [stmt.word(k) for k in range(start, stop)]
    if words[:1] == ["add"]:
        start += 1 + (stmt.word(start + 1) == "column")
        if stmt.word(start) == "if":
            start += 3
        _element(stmt, start, stop, table, catalog)
    elif words[:1] in (["enable"], ["disable"]) and "trigger" in words:
        _switch(words, table, catalog)
    elif words[:1] == ["alter"] and "default" in words:
        column = table.columns.setdefault(words[1 + (words[1] == "column")], Column(words[1 + (words[1] == "column")]))
        column.default = "" if "drop" in words else text_of(stmt, start + words.index("default") + 1, stop)
    elif words[:2] == ["drop", "constraint"]:
        gone = words[2 + 2 * (words[2:3] == ["if"])]
        for column in table.columns.values():
            if column.check == gone:
                column.labels, column.check = (), ""
    elif words[:1] == ["drop"]:
        at = 1 + (words[1:2] == ["column"])
        at += 2 if words[at : at + 1] == ["if"] else 0
        table.columns.pop(words[at] if at < len(words) else "", None)
    else:
        _move(stmt, start, words, table, catalog)


def _move(stmt: Statement, start: int, words: list[str], table: Table, catalog: Catalog) -> None:
    """What changes a table's name, schema or parent."""
    if words[:2] == ["rename", "to"]:
        catalog.rename_table(table.name, words[2] if "." not in table.name else f"{table.name.split('.')[0]}.{words[2]}")
    elif words[:2] == ["set", "schema"]:
        catalog.rename_table(table.name, f"{words[2]}.{short(table.name)}")
    elif words[:1] == ["rename"] and "to" in words and "constraint" not in words:
        catalog.rename_column(table, words[words.index("to") - 1], words[-1])
    elif words[:2] in (["attach", "partition"], ["detach", "partition"]):
        child, _ = name_at(stmt.tokens, start + 2)
        known = catalog.table(child) or catalog.tables.setdefault(catalog.qualify(child), Table(catalog.qualify(child), table.span))
        known.parent, known.was = (table.name, "") if words[0] == "attach" else ("", table.name)
    elif words[:1] == ["inherit"]:
        table.bases += (catalog.qualify(name_at(stmt.tokens, start + 1)[0]),)
    elif words[:2] == ["no", "inherit"]:
        gone = catalog.qualify(name_at(stmt.tokens, start + 2)[0])
        table.bases, table.was = tuple(base for base in table.bases if not same_relation(base, gone)), gone


def _switch(words: list[str], table: Table, catalog: Catalog) -> None:
    enabled = "D" if words[0] == "disable" else "R" if "replica" in words else "A" if "always" in words else "O"
    which = words[words.index("trigger") + 1]
    for key, trigger in catalog.triggers.items():
        if same_relation(trigger.relation, table.name) and which in (trigger.name, "all", "user"):
            switched: Trigger = replace(trigger, enabled=enabled)  # type: ignore[arg-type]
            catalog.triggers[key] = switched
            for partition in [p for p in catalog.partition_switches if p[1] == trigger.name and table.name in partitioned(p[0], catalog)]:
                del catalog.partition_switches[partition]
        elif which in (trigger.name, "all", "user") and _has(catalog, trigger, table):
            catalog.partition_switches[table.name, trigger.name] = enabled


def _has(catalog: Catalog, trigger: Trigger, table: Table) -> bool:
    """Is the trigger, of a partitioned table, also this partition's?"""
    return trigger.level == "row" and any(same_relation(trigger.relation, name) for name in partitioned(table.name, catalog)[1:])


def partitioned(name: str, catalog: Catalog) -> list[str]:
    """A relation and the partitioned tables that it is a part of, whose row triggers it has; of a view, the table below."""
    found = [name]
    table = catalog.table(name)
    while table is not None and table.parent and table.parent not in found:
        found.append(table.parent)
        table = catalog.table(table.parent)
    return found
