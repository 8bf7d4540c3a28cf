"""Which columns are states, and what a write means for them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tollway.audit.facts.catalog import Catalog, Column
from tollway.audit.model import StateEffect, Write
from tollway.audit.parse.names import covers, may_be, same_relation, short

_NAME = re.compile(r"(?:.*_)?(state|status|phase|stage|lifecycle)(?:_(?:id|code|cd))?")
_PAST = re.compile(r"(from|to|old|new|prev|previous|last|prior|before|after|original)_.*")
_NOT_TYPE = re.compile(r"json|bytea|xml|timestamp|date|uuid|inet|tsvector|hstore|numeric|double")
_LOG = re.compile(r"(?:.*_)?(log|logs|audit|history|events?|archive|journal|changes|transitions?)(?:_.*)?")
_LIFE = frozenset(
    {
        "new",
        "pending",
        "queued",
        "waiting",
        "scheduled",
        "todo",
        "ready",
        "running",
        "doing",
        "processing",
        "in_progress",
        "started",
        "active",
        "open",
        "paused",
        "suspended",
        "done",
        "completed",
        "complete",
        "finished",
        "succeeded",
        "success",
        "failed",
        "failure",
        "error",
        "cancelled",
        "canceled",
        "aborted",
        "expired",
        "closed",
        "archived",
        "draft",
        "submitted",
        "review",
        "approved",
        "rejected",
        "published",
        "shipped",
        "delivered",
        "paid",
        "refunded",
        "returned",
        "confirmed",
        "settled",
        "void",
        "inactive",
        "disabled",
        "blocked",
        "retrying",
        "sleeping",
        "dead",
        "deleted",
        "resolved",
        "accepted",
        "declined",
        "sent",
        "received",
        "created",
        "available",
        "leased",
    }
)
_ADDRESS = frozenset({"city", "zip", "zipcode", "zip_code", "postal_code", "postcode", "street", "country", "address"})
_ENOUGH = 2
_TEXT = re.compile(r"\s*'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class State:
    """A column that holds a state; both names may be patterns."""

    relation: str
    column: str

    def __str__(self) -> str:
        return f"{self.relation}.{self.column}"


def configured(columns: Sequence[str]) -> list[State]:
    return [State(*column.rsplit(".", 1)) for column in columns]


def infer(catalog: Catalog, writes: Iterable[Write]) -> list[State]:
    """Columns that look like states: by name and type, or by labels that read like stages of a life."""
    updated: dict[str, set[str]] = defaultdict(set)
    literal: dict[tuple[str, str], set[str]] = defaultdict(set)
    for write in writes:
        if write.verb in ("update", "merge"):
            updated[write.relation].update(write.columns)
        for name, value in write.values:
            if value not in ("?", "null", "default"):
                literal[write.relation, name].add(value)
    found: list[State] = []
    for table in catalog.tables.values():
        if table.view or ((table.parent or table.bases or table.was) and not table.columns):
            continue
        for column in table.columns.values():
            moved = any(column.name in names for relation, names in updated.items() if same_relation(table.name, relation))
            values = {v for (r, c), vs in literal.items() if c == column.name and same_relation(table.name, r) for v in vs}
            if _is_state(table.name, column, catalog, moved=moved, values=values):
                found.append(State(table.name, column.name))
    found += _unseen_tables(catalog, updated, literal)
    return _one_per_family(found)


def _unseen_tables(catalog: Catalog, updated: dict[str, set[str]], literal: dict[tuple[str, str], set[str]]) -> list[State]:
    """Tables that are written but whose CREATE was not given."""
    found = []
    for relation, names in updated.items():
        table = catalog.table(relation)
        if "*" not in short(relation).replace("*", "", 1) and (
            table is None or not (table.columns or table.parent or table.bases or table.was or table.view)
        ):
            found += [State(relation, n) for n in sorted(names) if _NAME.fullmatch(n) and not _PAST.match(n) and literal.get((relation, n))]
    return found


def _one_per_family(states: list[State]) -> list[State]:
    """`absurd.r_*` stands for a partition `absurd.r_*_d` too."""
    return [
        s
        for s in dict.fromkeys(states)
        if not any(o != s and o.column == s.column and "*" in o.relation and covers(o.relation, s.relation) for o in states)
    ]


def _is_state(table: str, column: Column, catalog: Catalog, *, moved: bool, values: set[str]) -> bool:
    if _NOT_TYPE.search(column.type) or _PAST.match(column.name):
        return False
    if _LOG.fullmatch(short(table)) and not moved:
        return False
    labels = set(column.labels) or set(catalog.types.get(column.type, ()) or catalog.types.get(short(column.type), ()))
    default = column.default.split("::")[0].strip("'\" ")
    if _NAME.fullmatch(column.name):
        known = values | ({default} if default else set())
        if not labels and _ADDRESS & catalog.tables[table].columns.keys() and not known & _LIFE:
            return False  # the state of an address
        return bool(labels or moved or len(known) >= _ENOUGH)
    texts = {v.lower() for v in labels | ({default} if column.default.startswith("'") else set())}
    return len(texts & _LIFE) >= _ENOUGH and (moved or bool(values))


def classify(write: Write, states: Sequence[State], catalog: Catalog) -> Write:
    """The write with its bearing on states."""
    effect: StateEffect = "other"
    touched: list[str] = []
    parents = lineage(write.relation, catalog)
    for state in states:
        sure = any(same_relation(state.relation, name) for name in parents)
        possible = sure or ("*" in write.relation + state.relation and may_be(state.relation, write.relation))
        if not possible:
            continue
        bearing = _bearing(write, state)
        if bearing == "other":
            continue
        if bearing == "state" and sure:
            effect = "state"
            touched.append(state.column)
        elif effect == "other":
            effect = "maybe"
            touched.append(state.column)
    set_here = [v for c, v in write.values if c in touched and v not in ("?", "null", "default")]
    values = tuple(dict.fromkeys([*set_here, *_defaults(write, touched, parents, catalog)]))
    confidence = min(write.confidence, 0.5) if effect == "maybe" else write.confidence
    return replace(write, effect=effect, state_columns=tuple(dict.fromkeys(touched)), state_values=values, confidence=confidence)


def _defaults(write: Write, touched: Sequence[str], parents: Sequence[str], catalog: Catalog) -> Iterable[str]:
    """What a new row gets where the INSERT leaves a state out, or says DEFAULT."""
    made = write.verb == "insert" or "insert" in write.events
    for column in touched:
        if not made and (column, "default") not in write.values:
            continue
        if made and (column in write.inserted or "*" in write.inserted) and (column, "default") not in write.values:
            continue
        for table in catalog.tables.values():
            declared = table.columns.get(column)
            if declared and any(same_relation(table.name, name) for name in parents) and (text := _TEXT.match(declared.default)):
                yield text[1].replace("''", "'")
                break


def lineage(name: str, catalog: Catalog) -> list[str]:
    """A relation and the tables that it is, or was, a partition or heir of: it has their columns, and rows that came by them."""
    found = [name]
    for relation in found:  # grows while it is read
        table = catalog.table(relation)
        above = (table.parent, *table.bases, table.was) if table is not None else ()
        found += [parent for parent in above if parent and parent not in found]
    return found


def heirs(name: str, catalog: Catalog) -> list[str]:
    """The tables that inherit from a relation: a change of its rows, without ONLY, changes theirs too."""
    found = [name]
    for relation in found:  # grows while it is read
        found += [
            table.name
            for table in catalog.tables.values()
            if table.name not in found and any(same_relation(base, relation) for base in table.bases)
        ]
    return found[1:]


def _bearing(write: Write, state: State) -> StateEffect:
    """A row that comes or goes changes state whatever its columns; an update only if it sets the column."""
    if write.verb in ("insert", "delete", "truncate", "copy", "drop", "detach"):
        return "state"
    if write.verb == "merge" and set(write.events) != {"update"}:
        return "state"
    if state.column in write.columns:
        return "state"
    return "maybe" if "*" in write.columns else "other"
