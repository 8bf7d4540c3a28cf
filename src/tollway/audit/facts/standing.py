"""Definitions that call functions by themselves, whoever uses them, and the views that a statement asks."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.facts.catalog import Catalog
from tollway.audit.load.split import Statement
from tollway.audit.model import CallKind, Span
from tollway.audit.parse.names import name_at, short

_KINDS: dict[str, CallKind] = {"table": "default", "domain": "default", "index": "default", "view": "view", "policy": "policy"}
_NOISE = frozenset({"or", "replace", "temp", "temporary", "unlogged", "global", "local", "recursive", "materialized", "unique", "foreign"})
_ASKING = frozenset({"from", "join", "into", "update", "using", ","})


def standing(stmt: Statement) -> tuple[str, CallKind] | None:
    """What CREATE or ALTER defines, if it can call: (its name, the kind of its calls). An index and a policy act for their table."""
    at = 1
    while stmt.word(at) in _NOISE:
        at += 1
    kind = _KINDS.get(stmt.word(at))
    if kind is None:
        return None
    if stmt.word(at) in ("index", "policy"):
        while at < len(stmt.tokens) and stmt.word(at) != "on":
            at += 1
    at += 1
    if stmt.word(at) == "if":
        at += 3 if stmt.word(at + 1) == "not" else 2
    name, _ = name_at(stmt.tokens, at + (stmt.word(at) == "only"))
    return (name, kind) if name else None


def still_there(stmt: Statement, name: str, kind: CallKind, catalog: Catalog) -> bool:
    """Is it the definition that the schema has at its end? A view may be replaced or dropped later, and a policy dropped."""
    if kind == "view":
        view = catalog.tables.get(name)
        return view is not None and view.span == stmt.code.span(0)
    if kind == "policy" and stmt.word(0) == "create":
        return stmt.code.span(0) in catalog.policies.values()
    return True


def views_asked(stmt: Statement, catalog: Catalog) -> Iterator[tuple[str, Span]]:
    """The views that stand where a table can, by their full names."""
    views = {table.name for table in catalog.tables.values() if table.view}
    if not views:
        return
    shorts: dict[str, list[str]] = {}
    for view in views:
        shorts.setdefault(short(view), []).append(view)
    for i, token in enumerate(stmt.tokens):
        if token.kind not in ("name", "op") or token.word not in _ASKING:
            continue
        at = i + 1 + (stmt.word(i + 1) == "only")
        name, after = name_at(stmt.tokens, at)
        if not name or stmt.word(after) == "(":
            continue
        known = [name] if name in views else shorts.get(name, []) if "." not in name else []
        if len(known) == 1:
            yield known[0], stmt.code.span(stmt.tokens[at].start)
