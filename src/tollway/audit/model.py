"""The facts of an analysis, as plain data. Everything else in this package makes, joins or prints these.

A routine is named by its id: `schema.name/arity` for SQL (`name/arity` without a schema), `module:function` for Python,
and `TOP_LEVEL` for statements that stand in no routine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

SCHEMA_VERSION = 1
TOP_LEVEL = "(top level)"

Verb = Literal["insert", "update", "delete", "merge", "truncate", "copy", "drop", "detach", "alter"]
StateEffect = Literal["state", "other", "maybe"]
CallKind = Literal["direct", "dynamic", "trigger", "cron", "default", "view", "policy", "python"]
EffectKind = Literal["audit", "sync", "telemetry", "notify", "call"]
Status = Literal[
    "guaranteed", "same statement", "same block", "callee", "guarded", "conditional", "python only", "missing", "disabled", "unknown"
]

GOOD: frozenset[str] = frozenset({"guaranteed", "same statement", "same block", "callee"})
"""Statuses with which nobody has to look again."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file; lines and columns count from 1. `via` says how it was reached, if not directly."""

    file: str
    line: int
    col: int = 1
    end: int = 0
    via: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Routine:
    """A function, procedure, DO block or Python function."""

    id: str
    name: str
    args: tuple[str, ...]
    span: Span
    line_end: int
    language: str
    returns: str = ""
    body_hash: str = ""
    security_definer: bool = False
    search_path: str = ""
    origin: Literal["file", "live", "dynamic", "python"] = "file"
    min_args: int = 0
    """How many arguments a call must give: those without a default."""


@dataclass(frozen=True, slots=True)
class Write:
    """One statement that changes rows. `relation` has `*` where a name is computed (`absurd.r_*`)."""

    routine: str
    verb: Verb
    relation: str
    columns: tuple[str, ...]
    span: Span
    dynamic: bool = False
    effect: StateEffect = "other"
    state_columns: tuple[str, ...] = ()
    state_values: tuple[str, ...] = ()
    confidence: float = 1.0
    values: tuple[tuple[str, str], ...] = ()
    """(column, literal value) where the statement says one; a computed value is `?`."""
    guards: tuple[str, ...] = ()
    """The conditions of the IFs and CASEs around it, outermost first."""
    returned: bool = True
    """False: rows change that neither the statement nor the routine hands back."""
    cte: str = ""
    """The name of the CTE it stands in."""
    keyed: bool = False
    """Its WHERE pins rows by a key."""
    upsert: bool = False
    """An insert that may turn into an update (ON CONFLICT DO UPDATE)."""
    events: tuple[str, ...] = ()
    """Of a MERGE: what it can do with a row (insert, update, delete)."""
    held: tuple[tuple[str, str], ...] = ()
    """(column, constant) of an UPDATE whose WHERE lets only rows with one of these values pass."""
    only: bool = False
    """UPDATE ONLY and its like: rows of tables that inherit stay as they are."""
    inserted: tuple[str, ...] = ()
    """The columns that each new row is given; what is left out gets its DEFAULT."""
    partial: bool = False
    """Its rows come from a CASE that may give NULL, and those with NULL are left out."""

    @property
    def key(self) -> str:
        """Identity within one analysis."""
        return f"{self.span.file}:{self.span.line}:{self.span.col}:{self.verb}:{self.relation}"


@dataclass(frozen=True, slots=True)
class Call:
    """`source` runs `target`. `target` is a routine id when it could be resolved, else the name as written."""

    source: str
    target: str
    span: Span
    kind: CallKind = "direct"
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger. `enabled` is O (origin), A (always), R (replica only) or D (disabled), as in the catalog."""

    name: str
    relation: str
    function: str
    events: tuple[str, ...]
    columns: tuple[str, ...]
    timing: Literal["before", "after", "instead of"]
    level: Literal["row", "statement"]
    span: Span
    when: str = ""
    enabled: Literal["O", "A", "R", "D"] = "O"
    constraint: bool = False
    deferred: bool = False
    deferrable: bool = False
    """SET CONSTRAINTS may move it between the end of the statement and COMMIT."""
    origin: str = TOP_LEVEL
    """The routine that creates it, for triggers made by dynamic SQL."""


@dataclass(frozen=True, slots=True)
class FkAction:
    """`on delete cascade` and its like: a change of `target` changes rows of `relation`."""

    relation: str
    columns: tuple[str, ...]
    target: str
    event: Literal["delete", "update"]
    action: Literal["cascade", "set null", "set default"]
    span: Span


@dataclass(frozen=True, slots=True)
class Effect:
    """A side effect that a routine has: a row written to a log or a derived table, a notification, a call."""

    kind: EffectKind
    target: str
    routine: str
    span: Span
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something the analysis could not read. Never dropped: it is printed, and counts against a clean result."""

    kind: str
    routine: str
    span: Span
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """For one write of a state and one required effect: how surely the effect follows, with the path that proves it."""

    write: Write
    effect: str
    status: Status
    proof: tuple[Span, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a person should look at. The fingerprint has no line numbers, so it survives edits elsewhere in the file."""

    id: str
    message: str
    span: Span
    path: tuple[Span, ...] = ()
    why: str = ""
    hint: str = ""
    subject: str = ""
    """What the finding is about, without lines: the source of the fingerprint."""
    confidence: Literal["sure", "inferred"] = "sure"
    """Inferred: it rests on a required effect that no configuration declares."""
    ordinal: int = 0
    """Tells apart findings with the same subject, in order of the file."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that stay the same when lines move."""
        told = f"{self.id}|{self.subject or self.message}|{self.ordinal}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Suppression:
    """Somebody's decision that a finding may stay, with the reason. Its span is where the decision is written."""

    reason: str
    span: Span
    rules: tuple[str, ...] = ()
    """Empty: whatever the fingerprint names."""
    owner: str = ""
    until: date | None = None
    """The last day on which it counts."""
    fingerprint: str = ""
    files: str = ""
    """A pattern that the finding's file must match; "" for any."""
    line: int = 0
    """Of a comment: the line of the same file that it is about. 0 for a suppression of the configuration."""


@dataclass(frozen=True, slots=True)
class Idle:
    """A suppression that does not work, or no more."""

    span: Span
    problem: str
    hint: str
    subject: str


@dataclass(slots=True)
class Facts:
    """A container of facts. It is filled while reading and not changed afterwards."""

    routines: list[Routine] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    fk_actions: list[FkAction] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    unknowns: list[Unknown] = field(default_factory=list)

    def add(self, other: Facts) -> None:
        """Take over everything another container has."""
        self.routines += other.routines
        self.writes += other.writes
        self.calls += other.calls
        self.triggers += other.triggers
        self.fk_actions += other.fk_actions
        self.effects += other.effects
        self.unknowns += other.unknowns

    def extend(self, facts: Iterable[Routine | Write | Call | Trigger | FkAction | Effect | Unknown]) -> None:
        """Sort single facts into their lists."""
        homes = {
            Routine: self.routines,
            Write: self.writes,
            Call: self.calls,
            Trigger: self.triggers,
            FkAction: self.fk_actions,
            Effect: self.effects,
            Unknown: self.unknowns,
        }
        for fact in facts:
            homes[type(fact)].append(fact)  # type: ignore[attr-defined]
