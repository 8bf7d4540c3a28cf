"""What an expression may be worth: SQL text with holes, lists and dictionaries of it, mapped classes and their rows.

A value that nobody can know before the program runs is a hole in a text, or OPAQUE where no text is expected.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tollway.audit.model import Verb

MAX_ALTERNATIVES = 8
"""More alternatives of one string than this are cut off; the text is then marked as not complete."""


@dataclass(frozen=True, slots=True)
class Source:
    """One string literal (implicitly concatenated parts included) as it stands in a file."""

    file: str
    line: int
    col: int
    segment: str

    def locate(self, word: str, occurrence: int) -> tuple[int, int]:
        """Line and column of the word's n-th occurrence (from 0); the literal's own place when it is not there."""
        if word:
            found = list(itertools.islice(re.finditer(rf"(?<![\w.]){re.escape(word)}(?!\w)", self.segment, re.IGNORECASE), occurrence + 1))
            if len(found) == occurrence + 1:
                before = self.segment[: found[-1].start()]
                newlines = before.count("\n")
                column = found[-1].start() - (before.rfind("\n") + 1)
                return self.line + newlines, column + (self.col if newlines == 0 else 0)
        return self.line, self.col


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, or a hole (`text` is None) that is filled when the program runs."""

    text: str | None
    source: Source | None = None
    literal: bool = False  # a hole that sql.Literal or a placeholder fills: a value, never a name


HOLE = Piece(None)
VALUE_HOLE = Piece(None, literal=True)


@dataclass(frozen=True, slots=True)
class Text:
    """One possible text of an expression."""

    pieces: tuple[Piece, ...]
    sql: bool = False  # built by psycopg's sql module or SQLAlchemy's text(): certainly SQL

    def __add__(self, other: Text) -> Text:
        left, right = self.pieces, other.pieces
        if left and right and left[-1].text is not None and right[0].text is not None and left[-1].source == right[0].source:
            # one stretch: a placeholder may have been cut in two
            left, right = (*left[:-1], replace(left[-1], text=left[-1].text + right[0].text)), right[1:]
        return Text(left + right, self.sql or other.sql)

    @property
    def plain(self) -> str | None:
        """The text when it has no hole."""
        parts = [p.text for p in self.pieces]
        return None if None in parts else "".join(p for p in parts if p is not None)


class Value:
    """Anything an expression may be worth."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Opaque(Value):
    """Unknown before the program runs."""


OPAQUE = Opaque()


@dataclass(frozen=True, slots=True)
class Texts(Value):
    """The possible texts of an expression."""

    options: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Seq(Value):
    items: tuple[Value, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Dict(Value):
    items: Mapping[str, Value]
    complete: bool = True

    def __hash__(self) -> int:
        return hash(tuple(self.items))


@dataclass(frozen=True, slots=True)
class Model(Value):
    """A class that SQLAlchemy maps, or a Table object."""

    name: str
    relation: str
    columns: Mapping[str, str] = field(default_factory=dict)  # attribute -> column
    is_table: bool = False

    def __hash__(self) -> int:
        return hash(self.relation)


@dataclass(frozen=True, slots=True)
class Row(Value):
    """An instance of a mapped class; `new` when the program just made it, with these columns."""

    model: Model
    new: bool = False
    columns: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rows(Value):
    """Several instances of a mapped class: a result that yields them."""

    model: Model


@dataclass(frozen=True, slots=True)
class Query(Value):
    """session.query(Model) or select(Model), with whatever filters."""

    model: Model


@dataclass(frozen=True, slots=True)
class Statement(Value):
    """update(Model), insert(Model), delete(Model) of SQLAlchemy."""

    verb: Verb
    model: Model
    columns: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    origin: tuple[int, int] = (0, 0)  # where update(...) stands; a chain of methods begins at one place


@dataclass(frozen=True, slots=True)
class Instance(Value):
    """An object of a class of the scanned package (module:Class)."""

    owner: str


@dataclass(frozen=True, slots=True)
class Named(Value):
    """A function, class or module of the scanned package, or an imported dotted name."""

    dotted: str


def hole(*, literal: bool = False) -> Texts:
    return Texts((Text((VALUE_HOLE if literal else HOLE,)),))


def literal(text: str, source: Source | None = None) -> Texts:
    return Texts((Text((Piece(text, source),)),))


def as_texts(value: Value) -> Texts:
    """A value inside a string: its texts, else a hole."""
    return value if isinstance(value, Texts) else hole()


def concat(values: Iterable[Value]) -> Texts:
    """Every combination of the parts' alternatives, in order."""
    options: list[Text] = [Text(())]
    for value in values:
        options = [left + right for left in options for right in as_texts(value).options][:MAX_ALTERNATIVES]
    return Texts(tuple(options))


def union(values: Iterable[Value]) -> Value:
    """What a name may be worth when several branches meet."""
    offered = list(values)
    if offered and all(value is offered[0] for value in offered):  # untouched by every branch: no need to compare a long list
        return offered[0]
    distinct = list(dict.fromkeys(offered))
    if len(distinct) == 1:
        return distinct[0]
    known = [v for v in distinct if not isinstance(v, Opaque)]
    if known and all(isinstance(v, Texts) for v in known):
        options = tuple(dict.fromkeys(o for v in known if isinstance(v, Texts) for o in v.options))
        return Texts(options[:MAX_ALTERNATIVES])
    if known and all(isinstance(v, Seq) for v in known):
        items = tuple(dict.fromkeys(i for v in known if isinstance(v, Seq) for i in v.items))
        return Seq(items, complete=False)
    if known and all(isinstance(v, Dict) for v in known):
        return Dict({name: item for v in known if isinstance(v, Dict) for name, item in v.items.items()}, complete=False)
    return known[0] if len(known) == 1 else OPAQUE
