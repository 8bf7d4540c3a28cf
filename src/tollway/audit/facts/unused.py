"""What the configuration names and the project does not have: a slip of the pen there would make everything look clean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tollway.audit.config import Config
from tollway.audit.facts.catalog import Catalog
from tollway.audit.facts.states import State, lineage
from tollway.audit.model import TOP_LEVEL, Span, Unknown, Write
from tollway.audit.parse.names import may_be, same_relation


def unused(config: Config, states: Sequence[State], catalog: Catalog, writes: Sequence[Write]) -> Iterator[Unknown]:
    """One for each state, `for` of a requirement and declared machine that meets nothing."""
    for state in states if config.state else ():
        missing = _missing(state, catalog, writes)
        if missing:
            yield _told("unused state", missing)
    for need in config.require:
        for table in need.tables:
            if not any(_meet(table, state.relation) for state in states):
                yield _told("unused requirement", f"{need.effect} is asked for {table}, which has no state")
    for name in config.moves:
        relation, _, column = name.rpartition(".")
        if not any(_meet(relation, s.relation) and s.column == column for s in states):
            yield _told("unused moves", f"moves are declared for {name}, which is no state")


def _missing(state: State, catalog: Catalog, writes: Sequence[Write]) -> str:
    tables = [t for t in catalog.tables.values() if _meet(state.relation, t.name)]
    mine = [w for w in writes if _meet(state.relation, w.relation)]
    if not tables and not mine:
        return f"no table is called {state.relation}, of the state {state}"
    named = {c for t in tables for name in lineage(t.name, catalog) if (above := catalog.table(name)) for c in above.columns}
    if any(state.column in w.columns or "*" in w.columns for w in mine) or state.column in named:
        return ""
    whole = all(t.columns and not t.view for t in tables)
    return f"{state.relation} has no column {state.column}" if tables and whole else ""


def _meet(pattern: str, name: str) -> bool:
    return same_relation(pattern, name) or ("*" in pattern + name and may_be(pattern, name))


def _told(kind: str, what: str) -> Unknown:
    return Unknown(kind, TOP_LEVEL, Span("configuration", 1), what)
