"""The writes inside one SQL statement, with their CTEs, read from its tokens.

A verb counts only where a statement can begin, so that FOR UPDATE, ON CONFLICT DO UPDATE, ON UPDATE CASCADE, the events of
a trigger and the privileges of a GRANT are no writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tollway.audit.load.split import Statement
from tollway.audit.load.tokens import Token
from tollway.audit.model import Verb
from tollway.audit.parse.names import close_of, commas, name_at

_BEFORE = frozenset({"(", ")", "", "explain", "analyze", "verbose", "as", "also", "instead", "then", "else", "begin"})
_VERBS = frozenset({"insert", "update", "delete", "merge", "truncate", "copy"})
_CLAUSE_END = frozenset({"where", "from", "returning", "on", "when"})


@dataclass(slots=True)
class RawWrite:
    """A write as the statement says it. `index` is the verb's token."""

    verb: Verb
    relation: str
    index: int
    columns: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    open_columns: bool = False
    """Some columns are computed, or all columns are given without being named."""
    cte: str = ""
    returning: bool = False
    where: tuple[int, int] = (0, 0)
    upsert: bool = False
    events: list[str] = field(default_factory=list)
    """Of a MERGE: its actions."""
    only: bool = False
    inserted: list[str] | None = None
    """The columns that every new row is given."""
    selected: bool = False
    """The rows come from a query, so there may be none."""


def read_writes(stmt: Statement) -> list[RawWrite]:
    """Every write of a statement, in order of the text."""
    found: list[RawWrite] = []
    tokens = stmt.tokens
    for i, token in enumerate(tokens):
        if token.kind != "name" or token.word not in _VERBS:
            continue
        before = tokens[i - 1].word if i and tokens[i - 1].kind in ("name", "op") else ("" if i == 0 else "?")
        if before not in _BEFORE:
            continue
        if before in ("then", "else", "as") and token.word in ("truncate", "copy"):
            continue
        found.extend(_write(stmt, i))
    return found


def _write(stmt: Statement, i: int) -> Iterator[RawWrite]:
    reader = {"insert": _insert, "update": _update, "delete": _delete, "merge": _merge, "truncate": _truncate, "copy": _copy}
    for write in reader[stmt.tokens[i].word](stmt, i):
        write.cte = _cte_name(stmt.tokens, i)
        yield write


def _cte_name(tokens: list[Token], i: int) -> str:
    """`name as (verb ...`: the name, if the verb stands in a CTE."""
    at = i - 1
    if at < 1 or tokens[at].word != "(":
        return ""
    at -= 1
    while at >= 0 and tokens[at].word in ("materialized", "not"):
        at -= 1
    if at < 1 or tokens[at].word != "as":
        return ""
    at -= 1
    if tokens[at].word == ")":
        depth = 0
        while at >= 0:
            depth += (tokens[at].word == ")") - (tokens[at].word == "(")
            at -= 1
            if depth == 0:
                break
    return tokens[at].word if at >= 0 else ""


def _end(tokens: list[Token], i: int) -> int:
    """Where the statement that begins at i ends: its closing parenthesis or the end of the text."""
    depth = 0
    for at in range(i, len(tokens)):
        if tokens[at].kind == "op":
            depth += (tokens[at].word in ("(", "[")) - (tokens[at].word in (")", "]"))
            if depth < 0 or (depth == 0 and tokens[at].word == ";"):
                return at
    return len(tokens)


def _find(tokens: list[Token], first: int, last: int, words: frozenset[str]) -> int:
    """The first of these words outside parentheses, or last."""
    depth = cases = 0
    for at in range(first, last):
        token = tokens[at]
        if token.kind == "op":
            depth += (token.word in ("(", "[")) - (token.word in (")", "]"))
        elif token.kind == "name" and depth == 0:
            if cases == 0 and token.word in words:
                return at
            cases += (token.word == "case") - (token.word == "end" and cases > 0)
    return last


def _update(stmt: Statement, i: int) -> Iterator[RawWrite]:
    tokens, end = stmt.tokens, _end(stmt.tokens, i)
    at = i + 1 + (tokens[i + 1].word == "only" if i + 1 < end else 0)
    paren = at < end and tokens[at].word == "("
    relation, after = name_at(tokens, at + paren)
    begin = _find(tokens, after, min(after + 6, end), frozenset({"set"}))
    if not relation or begin >= end or tokens[begin].word != "set":
        return
    write = RawWrite("update", relation, i, only=stmt.word(i + 1) == "only")
    stop = _find(tokens, begin + 1, end, frozenset({"where", "from", "returning"}))
    _assignments(stmt, begin + 1, stop, write)
    _tail(tokens, stop, end, write)
    yield write


def _tail(tokens: list[Token], first: int, end: int, write: RawWrite) -> None:
    where = _find(tokens, first, end, frozenset({"where"}))
    returning = _find(tokens, first, end, frozenset({"returning"}))
    write.returning = returning < end
    write.where = (min(where + 1, end), returning)


def _assignments(stmt: Statement, first: int, last: int, write: RawWrite) -> None:
    """`a = 1, (b, c) = (2, 3)`."""
    tokens = stmt.tokens
    for start, stop in commas(tokens, first, last):
        equal = next((k for k in range(start, stop) if tokens[k].kind == "op" and tokens[k].word == "="), stop)
        if start < stop and tokens[start].word == "(":
            close = close_of(tokens, start)
            names = [tokens[a].word for a, b in commas(tokens, start + 1, close) if b > a]
            equal = next((k for k in range(close, stop) if tokens[k].word == "="), stop)
            inner = equal + 1 + (equal + 1 < stop and tokens[equal + 1].word == "row")
            given = commas(tokens, inner + 1, close_of(tokens, inner)) if inner < stop and tokens[inner].word == "(" else []
            for k, name in enumerate(names):
                value = literals(stmt, *given[k]) if len(given) == len(names) else ["?"]
                _set(write, name, value)
        elif equal < stop:
            _set(write, tokens[start].word, literals(stmt, equal + 1, stop))
        else:
            write.open_columns = True


def _set(write: RawWrite, name: str, value: list[str]) -> None:
    if "__hole__" in name or not name:
        write.open_columns = True
        return
    if name not in write.columns:
        write.columns.append(name)
    write.values.setdefault(name, []).extend(v for v in value if v not in write.values.get(name, ()))


def literals(stmt: Statement, first: int, last: int) -> list[str]:
    """The constants that an expression can give: of a literal, a CASE or a COALESCE.

    `?v` or `?$1` for a variable or parameter, `?` for anything else among them.
    """
    tokens = stmt.tokens
    while last - first > 2 and tokens[first].word == "(" and close_of(tokens, first) == last - 1:
        first, last = first + 1, last - 1
    if first >= last:
        return ["?"]
    head = tokens[first]
    if head.kind in ("string", "dollar") and (last == first + 1 or tokens[first + 1].word == "::"):
        return [_text(stmt, head)]
    if head.kind == "number" and last == first + 1:
        return [stmt.code.text[head.start : head.end]]
    if head.word in ("true", "false", "null", "default") and (last == first + 1 or tokens[first + 1].word == "::"):
        return [head.word]
    if head.kind == "name" and head.word == "case":
        return _case(stmt, first, last)
    if head.word == "coalesce" and first + 1 < last:
        return [v for a, b in commas(tokens, first + 2, close_of(tokens, first + 1)) for v in literals(stmt, a, b)]
    if head.word == "cast" and first + 1 < last:
        return literals(stmt, first + 2, _find(tokens, first + 2, last - 1, frozenset({"as"})))
    if head.kind in ("name", "quoted", "param") and (last == first + 1 or tokens[first + 1].word == "::"):
        return [f"?{head.word or stmt.code.text[head.start : head.end]}"]
    return ["?"]


def _case(stmt: Statement, first: int, last: int) -> list[str]:
    tokens, found, depth, cases = stmt.tokens, [], 0, 0
    start = -1
    for at in range(first, last):
        word = tokens[at].word if tokens[at].kind in ("name", "op") else ""
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == "case":
            cases += 1
            continue
        if depth == 0 and cases == 1 and word in ("then", "else", "when", "end"):
            if start >= 0:
                found += literals(stmt, start, at)
            start = at + 1 if word in ("then", "else") else -1
        if word == "end":
            cases -= 1
            if cases == 0:
                break
    return list(dict.fromkeys(found)) or ["?"]


def _text(stmt: Statement, token: Token) -> str:
    raw = stmt.code.text[token.start : token.end]
    if token.kind == "dollar":
        return raw[len(token.word) : -len(token.word)]
    inner = raw[raw.index("'") + 1 : -1].replace("''", "'")
    return "?" if "__hole__" in inner else inner


def _insert(stmt: Statement, i: int) -> Iterator[RawWrite]:
    tokens, end = stmt.tokens, _end(stmt.tokens, i)
    if i + 1 >= end or tokens[i + 1].word != "into":
        return
    relation, at = name_at(tokens, i + 2)
    if not relation:
        return
    write = RawWrite("insert", relation, i)
    if at < end and tokens[at].word == "as":
        at += 2
    names: list[str] = []
    if at < end and tokens[at].word == "(" and at + 1 < end and tokens[at + 1].word not in ("select", "with", "values"):
        close = close_of(tokens, at)
        names = [tokens[a].word for a, b in commas(tokens, at + 1, close) if b > a]
        at = close + 1
    conflict = _conflict(tokens, at, end)
    stop = min(conflict, _find(tokens, at, end, frozenset({"returning"})))
    for name in names:
        _set(write, name, [])
    write.inserted = list(names)
    if not names and not (at < end and tokens[at].word == "default"):
        write.open_columns = True
        write.inserted = ["*"]
    write.selected = _find(tokens, at, stop, frozenset({"values", "default"})) >= stop
    for row in _rows(tokens, at, stop):
        for name, (a, b) in zip(names, row, strict=False):
            _set(write, name, literals(stmt, a, b))
    if conflict < end:
        begin = _find(tokens, conflict, end, frozenset({"set"}))
        write.upsert = begin < end
        _assignments(stmt, begin + 1, _find(tokens, begin + 1, end, frozenset({"where", "returning"})), write)
    write.returning = _find(tokens, at, end, frozenset({"returning"})) < end
    yield write


def _conflict(tokens: list[Token], first: int, end: int) -> int:
    for at in range(first, end - 1):
        if tokens[at].word == "on" and tokens[at + 1].word == "conflict":
            return at
    return end


def _rows(tokens: list[Token], first: int, last: int) -> list[list[tuple[int, int]]]:
    """The expressions of each VALUES row, or of the select list."""
    if first < last and tokens[first].word == "overriding":
        first += 3
    values = _find(tokens, first, last, frozenset({"values"}))
    if values < last:
        rows, at = [], values + 1
        while at < last and tokens[at].word == "(":
            close = close_of(tokens, at)
            rows.append(commas(tokens, at + 1, close))
            at = close + 2
        return rows
    select = _find(tokens, first, last, frozenset({"select"}))
    if select >= last:
        return []
    start = select + 1
    stop = _find(tokens, start, last, frozenset({"from", "where", "group", "order", "limit", "union", "except", "intersect", "into"}))
    return [commas(tokens, start, stop)]


def _delete(stmt: Statement, i: int) -> Iterator[RawWrite]:
    tokens, end = stmt.tokens, _end(stmt.tokens, i)
    if i + 2 >= end + 1 or stmt.word(i + 1) != "from":
        return
    at = i + 2 + (stmt.word(i + 2) == "only")
    relation, after = name_at(tokens, at)
    if relation:
        write = RawWrite("delete", relation, i, only=stmt.word(i + 2) == "only")
        _tail(tokens, after, end, write)
        yield write


def _merge(stmt: Statement, i: int) -> Iterator[RawWrite]:
    tokens, end = stmt.tokens, _end(stmt.tokens, i)
    if stmt.word(i + 1) != "into":
        return
    relation, at = name_at(tokens, i + 2 + (stmt.word(i + 2) == "only"))
    if not relation:
        return
    write = RawWrite("merge", relation, i, selected=True, only=stmt.word(i + 2) == "only")
    while (at := _find(tokens, at, end, frozenset({"then"}))) < end:
        action, stop = stmt.word(at + 1), _find(tokens, at + 1, end, frozenset({"when", "returning"}))
        if action in ("insert", "update", "delete"):
            write.events.append(action)
        if action == "update":
            _assignments(stmt, at + 3, stop, write)
        elif action == "insert":
            names = (
                [tokens[a].word for a, b in commas(tokens, at + 3, close_of(tokens, at + 2)) if b > a] if stmt.word(at + 2) == "(" else []
            )
            given = names or ([] if stmt.word(at + 2) == "default" else ["*"])
            write.inserted = given if write.inserted is None else [n for n in write.inserted if n in given or "*" in given]
            for row in _rows(tokens, at + 2, stop):
                for name, (a, b) in zip(names, row, strict=False):
                    _set(write, name, literals(stmt, a, b))
        at = stop
    write.returning = _find(tokens, i, end, frozenset({"returning"})) < end
    yield write


def _truncate(stmt: Statement, i: int) -> Iterator[RawWrite]:
    if i:
        return
    tokens, at = stmt.tokens, i + 1 + (stmt.word(i + 1) == "table")
    while True:
        only = stmt.word(at) == "only"
        relation, at = name_at(tokens, at + only)
        if relation:
            yield RawWrite("truncate", relation, i, only=only)
        while stmt.word(at) == "*":
            at += 1
        if stmt.word(at) != ",":
            return
        at += 1


def _copy(stmt: Statement, i: int) -> Iterator[RawWrite]:
    relation, at = name_at(stmt.tokens, i + 1)
    if i or not relation:
        return
    write = RawWrite("copy", relation, i)
    if stmt.word(at) == "(":
        close = close_of(stmt.tokens, at)
        for a, b in commas(stmt.tokens, at + 1, close):
            if b > a:
                _set(write, stmt.tokens[a].word, ["?"])
        at = close + 1
    else:
        write.open_columns = True
    if stmt.word(at) == "from":
        yield write
