"""What the walk over a function records, before it becomes the auditor's facts."""

from __future__ import annotations

from dataclasses import dataclass, field

from tollway.audit.python.sqltext import Place, SqlCall, SqlNotify, SqlWrite


@dataclass(frozen=True, slots=True)
class Did:
    """A routine does this: by SQL, or by the ORM."""

    routine: str
    fact: SqlWrite | SqlCall | SqlNotify
    place: Place
    guards: tuple[str, ...]  # the conditions it stands under, outermost first; empty: whenever the routine ends well
    certain: bool  # False: it may never be sent, or to another table
    sent: Place | None = None  # where it is sent, when its text stands in another file


@dataclass(frozen=True, slots=True)
class Calls:
    """A routine calls another one of the scanned files, or (external) something that effects may be declared for."""

    routine: str
    target: str
    place: Place
    guards: tuple[str, ...]
    certain: bool
    external: bool = False


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Something that could not be read to its end; `kind` is a stable word."""

    kind: str
    routine: str
    place: Place
    why: str


@dataclass(slots=True)
class Record:
    """All of it, in the order in which it was met, each fact once."""

    did: dict[Did, None] = field(default_factory=dict)
    calls: dict[Calls, None] = field(default_factory=dict)
    unresolved: dict[Unresolved, None] = field(default_factory=dict)
