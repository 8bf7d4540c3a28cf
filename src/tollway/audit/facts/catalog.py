"""What the schema is after all its statements: tables, types, routines and triggers, in their current version."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tollway.audit.facts.switches import Switch
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
    check: str = ""
    """The name of the constraint that lists the labels."""


@dataclass(slots=True)
class Table:
    """A table, or the pattern of a family of tables made by dynamic SQL."""

    name: str
    span: Span
    columns: dict[str, Column] = field(default_factory=dict)
    parent: str = ""
    """Of a partition, and the one table below a view."""
    bases: tuple[str, ...] = ()
    """What it INHERITS: the columns, and no trigger."""
    view: bool = False
    was: str = ""
    """What it was a partition of, or inherited, until the two were parted."""


@dataclass(slots=True)
class Body:
    """A routine with what it does."""

    routine: Routine
    params: tuple[str, ...] = ()
    code: Code | None = None
    tree: Node | None = None
    statement: Statement | None = None
    """The parameters as written, for the calls in their defaults."""
    replica: bool = False
    """It runs with `session_replication_role = replica`, as its header says."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rewrite rule. `instead`: the statement itself is not run, or only for some rows (`where`)."""

    name: str
    relation: str
    event: str
    instead: bool
    span: Span


@dataclass(frozen=True, slots=True)
class TriggerDrop:
    """A DROP TRIGGER in a routine."""

    name: str
    relation: str
    routine: str
    span: Span


@dataclass(slots=True)
class Catalog:
    """The whole schema."""

    tables: dict[str, Table] = field(default_factory=dict)
    types: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The labels of enums and of domains with a CHECK list."""
    bodies: dict[str, Body] = field(default_factory=dict)
    triggers: dict[tuple[str, str], Trigger] = field(default_factory=dict)
    trigger_drops: list[TriggerDrop] = field(default_factory=list)
    partition_switches: dict[tuple[str, str], str] = field(default_factory=dict)
    """(partition, trigger of its parent) -> how it is switched for that partition alone."""
    rules: dict[tuple[str, str], Rule] = field(default_factory=dict)
    """By (relation, name)."""
    references: list[tuple[str, str]] = field(default_factory=list)
    """(table, table that a foreign key of it refers to)."""
    off: dict[Span, tuple[Switch, ...]] = field(default_factory=dict)
    """What a script has switched where this write, call or DO block of it stands."""
    fk_actions: list[FkAction] = field(default_factory=list)
    grants: list[tuple[str, str, str, Span]] = field(default_factory=list)
    """(privilege, object, role, where)."""
    policies: dict[tuple[str, str], Span] = field(default_factory=dict)
    """(table, policy): where it is created."""
    unknowns: list[Unknown] = field(default_factory=list)
    search_path: str = ""
    placeholders: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    """Former names of tables."""
    renamed_columns: dict[tuple[str, str], str] = field(default_factory=dict)
    """(table, former name) of columns."""

    def rename_table(self, old: str, new: str) -> None:
        """Everything that hangs on a table goes with it to its new name."""
        table = self.tables.pop(old, None)
        if table is None:
            return
        table.name = new
        self.tables[new] = table
        self.renamed.pop(new, None)
        self.renamed = {k: new if v == old else v for k, v in self.renamed.items()} | {old: new}
        for column in [k for k in self.renamed_columns if k[0] == old]:
            self.renamed_columns[new, column[1]] = self.renamed_columns.pop(column)
        for child in self.tables.values():
            child.parent = new if child.parent == old else child.parent
            child.was = new if child.was == old else child.was
            child.bases = tuple(new if base == old else base for base in child.bases)
        for relation, name in [k for k in self.triggers if k[0] == old]:
            self.triggers[new, name] = replace(self.triggers.pop((relation, name)), relation=new)
        self.rules = {(new if r == old else r, n): replace(v, relation=new if r == old else r) for (r, n), v in self.rules.items()}
        self.partition_switches = {(new if r == old else r, n): v for (r, n), v in self.partition_switches.items()}
        self.references[:] = [(new if a == old else a, new if b == old else b) for a, b in self.references]
        self.fk_actions[:] = [
            replace(f, relation=new if f.relation == old else f.relation, target=new if f.target == old else f.target)
            for f in self.fk_actions
        ]

    def rename_column(self, table: Table, old: str, new: str) -> None:
        """The column, and the UPDATE OF of the triggers that listen to it."""
        column = table.columns.pop(old, None) or Column(old)
        column.name = new
        table.columns[new] = column
        self.renamed_columns = {k: new if k[0] == table.name and v == old else v for k, v in self.renamed_columns.items()}
        self.renamed_columns[table.name, old] = new
        for key, trigger in self.triggers.items():
            if key[0] == table.name and old in trigger.columns:
                self.triggers[key] = replace(trigger, columns=tuple(new if c == old else c for c in trigger.columns))

    def column_now(self, relation: str, column: str) -> str:
        """What a column is called at the end, and in the table below a view."""
        table = self.tables.get(relation)
        if table is None or column in table.columns:
            return column
        column = self.renamed_columns.get((relation, column), column)
        base = self.table(table.parent) if table.view and table.parent else None
        return self.column_now(base.name, column) if base is not None and base is not table else column

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
