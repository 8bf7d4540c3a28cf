"""Read one text of SQL that Python holds: which tables it writes, which functions it calls, what it notifies.

Placeholders and holes are replaced by words that parse; a hole inside a name becomes `*` again: `r_{queue}` is `r_*`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import postgast

from tollway.audit.model import Verb
from tollway.audit.python.values import Piece, Source, Text

VERBS: dict[str, Verb] = {"insert_stmt": "insert", "update_stmt": "update", "delete_stmt": "delete", "merge_stmt": "merge"}
STARTS = re.compile(
    r"\A(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(select|with|insert|update|delete|merge|truncate|copy|call|execute|notify|do|create|alter|drop|values|listen|lock|set|begin|grant|revoke|table|explain)\b",
    re.IGNORECASE | re.DOTALL,
)
WRITES = re.compile(
    r"\b(insert\s+into|update\s+(?:only\s+)?[\w.\"]+(?:\s+(?:as\s+)?\w+)?\s+set|delete\s+from|merge\s+into|truncate|copy\s+[\w.\"]+)\b",
    re.IGNORECASE,
)
HOLE_WORD = re.compile(r"zq(\d+)qz")
PLACEHOLDERS = re.compile(
    r"""('(?:[^']|'')*')          # a string literal stays
      | (--[^\n]*|/\*.*?\*/)      # a comment stays
      | %\(\w+\)[sbtdi]           # psycopg: %(name)s
      | %[sbt](?!\w)              # psycopg: %s
      | (?<![:\w]):([A-Za-z_]\w*) # SQLAlchemy: :name, never a :: cast
      | (?<![@\w<>])@([A-Za-z_]\w*) # others: @name
      | (%%)
    """,
    re.VERBOSE | re.DOTALL,
)
NOT_FUNCTIONS = {"coalesce", "greatest", "least", "nullif"}
MAX_HOLE_TRIALS = 64


@dataclass(frozen=True, slots=True)
class Place:
    file: str
    line: int
    col: int


@dataclass(frozen=True, slots=True)
class SqlWrite:
    verb: Verb
    relation: str
    columns: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    place: Place | None
    text: str
    inserted: tuple[str, ...] = ()
    """The columns that an INSERT gives; what it leaves out gets its DEFAULT."""


@dataclass(frozen=True, slots=True)
class SqlCall:
    name: str
    arity: int
    place: Place | None


@dataclass(frozen=True, slots=True)
class SqlNotify:
    channel: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one text of SQL does, in its order of standing; `parsed` is False when no reading of the text parses."""

    parsed: bool
    facts: tuple[SqlWrite | SqlCall | SqlNotify, ...] = ()
    rendered: str = ""
    has_statement_hole: bool = False


def looks_like_sql(text: Text) -> bool:
    first = "".join("zq0qz" if p.text is None else p.text for p in text.pieces)
    return bool(STARTS.match(first))


def _neutral(match: re.Match[str]) -> str:
    if match.group(1) or match.group(2):
        return match.group(0)
    if match.group(5):
        return "%"
    # the same length as before, when it fits, so that offsets stay
    return "$1".ljust(len(match.group(0)))


class Rendered:
    """A text with its holes filled, and the way back from an offset to the file."""

    def __init__(self, text: Text, fillers: tuple[str, ...]) -> None:
        self.parts: list[tuple[int, str, Piece]] = []
        offset, index = 0, 0
        out: list[str] = []
        for piece in text.pieces:
            if piece.text is None:
                shown = fillers[index].format(i=index)
                index += 1
            else:
                shown = PLACEHOLDERS.sub(_neutral, piece.text)
            self.parts.append((offset, shown, piece))
            out.append(shown)
            offset += len(shown)
        self.sql = "".join(out)

    def place(self, offset: int, word: str) -> Place | None:
        """Where the word that stands at this offset is in the source."""
        source: Source | None = None
        before = ""
        for start, shown, piece in self.parts:
            if start > offset:
                break
            if piece.source is not None:
                if piece.source != source:
                    source, before = piece.source, ""
                before += shown[: max(0, offset - start)]
        if source is None:
            first = next((p.source for _, _, p in self.parts if p.source is not None), None)
            return Place(first.file, first.line, first.col) if first else None
        occurrence = len(re.findall(rf"(?<![\w.]){re.escape(word)}(?!\w)", before, re.IGNORECASE)) if word else 0
        return Place(source.file, *source.locate(word, occurrence))


def _fillers(text: Text) -> Iterator[tuple[str, ...]]:
    """Ways to fill the holes, the most usual first: a name, a list of assignments, nothing, a condition, a value."""
    kinds = [
        ["$1", "zq{i}qz"] if p.literal else ["zq{i}qz", "zq{i}qz = 1", "", "and true", "where true", "$1"]
        for p in text.pieces
        if p.text is None
    ]
    uniform = [tuple(k[min(n, len(k) - 1)] for k in kinds) for n in range(6)]
    return iter(dict.fromkeys(itertools.chain(uniform[:1], itertools.islice(itertools.product(*kinds), MAX_HOLE_TRIALS), uniform)))


def _fields(message: Any) -> Iterator[tuple[str, Any]]:
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        # a repeated field is a sequence and has no descriptor of its own
        if hasattr(value, "DESCRIPTOR"):
            yield descriptor.name, value
        else:
            for item in value:
                yield descriptor.name, item


def _walk(message: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    yield name, message
    for child_name, child in _fields(message):
        yield from _walk(child, child_name)


def _stars(name: str) -> str:
    return HOLE_WORD.sub("*", name)


def _relation(range_var: Any) -> str:
    name = _stars(range_var.relname)
    return f"{_stars(range_var.schemaname)}.{name}" if range_var.schemaname else name


def _constant(node: Any) -> str | None:
    """The text of a constant, a cast of one, or None."""
    kind = node.WhichOneof("node")
    if kind == "type_cast":
        return _constant(node.type_cast.arg)
    if kind == "column_ref":
        only = node.column_ref.fields
        name = only[0].string.sval if len(only) == 1 and only[0].HasField("string") else ""
        return "*" if HOLE_WORD.search(name) else None
    if kind != "a_const":
        return None
    const = node.a_const
    if const.isnull:
        return "null"
    which = const.WhichOneof("val")
    if which == "sval":
        return _stars(const.sval.sval)
    if which == "ival":
        return str(const.ival.ival)
    if which == "boolval":
        return "true" if const.boolval.boolval else "false"
    return None


def _targets(targets: Any) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    columns, values = [], []
    for target in targets:
        column = _stars(target.res_target.name)
        columns.append(column)
        if column != "*" and target.res_target.HasField("val") and (value := _constant(target.res_target.val)) is not None:
            values.append((column, value))
    return tuple(columns), tuple(values)


def _insert_values(stmt: Any, columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    select = stmt.select_stmt.select_stmt
    rows = [list(row.list.items) for row in select.values_lists] or [[t.res_target.val for t in select.target_list]]
    found: list[tuple[str, str]] = []
    for row in rows:
        found += [(c, v) for c, node in zip(columns, row, strict=False) if (v := _constant(node)) is not None]
    return tuple(dict.fromkeys(found))


class _Reader:
    def __init__(self, rendered: Rendered) -> None:
        self.rendered = rendered
        self.raw = rendered.sql.encode()
        self.facts: list[tuple[int, SqlWrite | SqlCall | SqlNotify]] = []

    def offset(self, location: int) -> int:
        """libpg_query counts bytes."""
        return len(self.raw[:location].decode(errors="ignore"))

    def write(
        self,
        verb: Verb,
        range_var: Any,
        columns: tuple[str, ...] = (),
        values: tuple[tuple[str, str], ...] = (),
        inserted: tuple[str, ...] = (),
    ) -> None:
        at = self.offset(range_var.location)
        words = list(re.finditer(rf"\b{verb}\b", self.rendered.sql[:at], re.IGNORECASE))
        start = words[-1].start() if words else at
        place = self.rendered.place(start, verb)
        self.facts.append((start, SqlWrite(verb, _relation(range_var), columns, values, place, self.rendered.sql.strip(), inserted)))

    def read(self, tree: Any) -> None:
        for name, node in _walk(tree):
            if name in {"insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"}:
                self.dml(name, node)
            elif name == "truncate_stmt":
                for relation in node.relations:
                    self.write("truncate", relation.range_var)
            elif name == "copy_stmt" and node.is_from and node.HasField("relation"):
                self.write("copy", node.relation, tuple(_stars(c.string.sval) for c in node.attlist))
            elif name == "notify_stmt":
                self.facts.append((0, SqlNotify(_stars(node.conditionname), self.rendered.place(0, "notify"))))
            elif name in {"func_call", "funccall"}:
                self.call(node)

    def dml(self, name: str, node: Any) -> None:
        if name == "insert_stmt":
            columns, _ = _targets(node.cols)
            more, values = _targets(node.on_conflict_clause.target_list)
            values = (*_insert_values(node, columns), *values)
            given = columns or (("*",) if node.HasField("select_stmt") else ())
            self.write("insert", node.relation, tuple(dict.fromkeys((*columns, *more))), tuple(dict.fromkeys(values)), given)
            return
        if name == "merge_stmt":
            columns = tuple(
                dict.fromkeys(_stars(t.res_target.name) for w in node.merge_when_clauses for t in w.merge_when_clause.target_list)
            )
            self.write("merge", node.relation, columns)
            return
        columns, values = _targets(node.target_list) if name == "update_stmt" else ((), ())
        self.write(VERBS[name], node.relation, columns, values)

    def call(self, node: Any) -> None:
        parts = [_stars(p.string.sval) for p in node.funcname]
        full = ".".join(parts)
        if len(parts) == 1 and full in NOT_FUNCTIONS:
            return
        at = self.offset(node.location)
        place = self.rendered.place(at, full)
        if parts[-1] == "pg_notify" and node.args:
            self.facts.append((at, SqlNotify(_constant(node.args[0]) or "*", place)))
        elif parts[0] != "pg_catalog":
            self.facts.append((at, SqlCall(full, len(node.args), place)))


def read(text: Text) -> Reading:
    """Parse the text and list what it does. A text whose holes leave several readings gets the first that parses."""
    rendered = ""
    for fillers in _fillers(text):
        attempt = Rendered(text, fillers)
        rendered = rendered or attempt.sql
        try:
            tree = postgast.parse(attempt.sql)
        except postgast.PgQueryError:
            continue
        except (ValueError, RecursionError, UnicodeError):
            break
        reader = _Reader(attempt)
        reader.read(tree)
        facts = tuple(dict.fromkeys(fact for _, fact in sorted(reader.facts, key=lambda pair: pair[0])))
        return Reading(True, facts, attempt.sql, any(p.text is None for p in text.pieces))
    return Reading(False, (), rendered)
