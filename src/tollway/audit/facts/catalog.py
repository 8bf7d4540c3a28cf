"""What the schema is after all its statements: tables, types, routines and triggers, in their current version."""

from __future__ import annotations

from dataclasses import dataclass, field

from tollway.audit.load.code import Code
from tollway.audit.load.split import Statement
from tollway.audit.model import FkAction, Routine, Span, Trigger, Unknown
from tollway.audit.parse.names import same_relation, short
from tollway.audit.parse.plpgsql import Node


@dataclass(slots=True)
class Column:
    """A column as declared: its type, its DEFAULT, and the labels that a CHECK allows."""

    name: str
    type: str = ""
    default: str = ""
    labels: tuple[str, ...] = ()


@dataclass(slots=True)
class Table:
    """A table, or the pattern of a family of tables made by dynamic SQL."""

    name: str
    span: Span
    columns: dict[str, Column] = field(default_factory=dict)
    parent: str = ""
    view: bool = False


@dataclass(slots=True)
class Body:
    """A routine with what it does."""

    routine: Routine
    params: tuple[str, ...] = ()
    code: Code | None = None
    tree: Node | None = None
    statement: Statement | None = None


@dataclass(slots=True)
class Catalog:
    """The whole schema."""

    tables: dict[str, Table] = field(default_factory=dict)
    types: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The labels of enums and of domains with a CHECK list."""
    bodies: dict[str, Body] = field(default_factory=dict)
    triggers: dict[tuple[str, str], Trigger] = field(default_factory=dict)
    fk_actions: list[FkAction] = field(default_factory=list)
    grants: list[tuple[str, str, str, Span]] = field(default_factory=list)
    """(privilege, object, role, where)."""
    unknowns: list[Unknown] = field(default_factory=list)
    search_path: str = ""
    placeholders: dict[str, str] = field(default_factory=dict)

    def qualify(self, name: str) -> str:
        """The name with the schema that the script's search_path gives it."""
        return name if "." in name or self.search_path in ("", "public", "pg_catalog") else f"{self.search_path}.{name}"

    def table(self, name: str) -> Table | None:
        """The table that a name means, if the schema has it."""
        found = self.tables.get(name)
        if found is None:
            found = next((t for key, t in self.tables.items() if same_relation(key, name)), None)
        return found

    def named(self, name: str) -> list[Body]:
        """Every overload of a routine; a name without a schema finds it in any."""
        exact = [b for b in self.bodies.values() if b.routine.name == name]
        if exact:
            return exact
        bare = name.removeprefix("public.")
        return [
            b
            for b in self.bodies.values()
            if (b.routine.name.removeprefix("public.") == bare)
            or ("." not in bare and short(b.routine.name) == bare)
            or ("." not in b.routine.name and b.routine.name == short(bare) and name.startswith("public."))
        ]
