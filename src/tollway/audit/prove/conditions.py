"""Three-valued reading of conditions: is it true, false or unknown for a given change of state?"""

from __future__ import annotations

from dataclasses import dataclass

from tollway.audit.load.code import Source
from tollway.audit.load.split import Statement, statement
from tollway.audit.parse.names import close_of

Truth = bool | None


@dataclass(frozen=True, slots=True)
class Change:
    """What is known of the row when a trigger fires: the event, and the values that the state column can take."""

    event: str
    columns: tuple[str, ...] = ()
    values: frozenset[str] = frozenset()
    """Empty: not known."""
    written: tuple[str, ...] = ()
    """The columns that the statement sets, for an update."""
    given: tuple[tuple[str, frozenset[str]], ...] = ()
    """The other columns that it sets to constants."""


def read(text: str) -> Statement:
    return statement(Source("", text).code())


def holds(cond: Statement, change: Change) -> Truth:
    """The truth of a condition for every row of the change; None where it depends."""
    return _or(cond, 0, len(cond.tokens), change)


def _parts(cond: Statement, first: int, last: int, word: str) -> list[tuple[int, int]]:
    found, depth, start, between = [], 0, first, 0
    for i in range(first, last):
        token = cond.tokens[i]
        depth += (token.kind == "op") * ((token.word in ("(", "[")) - (token.word in (")", "]")))
        between += token.word == "between"
        if depth == 0 and token.kind == "name" and token.word == word:
            if word == "and" and between:
                between -= 1
                continue
            found.append((start, i))
            start = i + 1
    found.append((start, last))
    return found


def _or(cond: Statement, first: int, last: int, change: Change) -> Truth:
    truths = [_and(cond, a, b, change) for a, b in _parts(cond, first, last, "or")]
    return True if True in truths else None if None in truths else False


def _and(cond: Statement, first: int, last: int, change: Change) -> Truth:
    truths = [_not(cond, a, b, change) for a, b in _parts(cond, first, last, "and")]
    return False if False in truths else None if None in truths else True


def _not(cond: Statement, first: int, last: int, change: Change) -> Truth:
    if cond.word(first) == "not" and first < last:
        inner = _not(cond, first + 1, last, change)
        return None if inner is None else not inner
    if first < last and cond.word(first) == "(" and close_of(cond.tokens, first) == last - 1:
        return _or(cond, first + 1, last - 1, change)
    return _compare(cond, first, last, change)


def _compare(cond: Statement, first: int, last: int, change: Change) -> Truth:
    words = [cond.tokens[k].word for k in range(first, last)]
    if words == ["true"]:
        return True
    if words == ["false"]:
        return False
    subject, at = _subject(cond, first, last)
    if not subject:
        return None
    rest = words[at - first :]
    if rest[:3] == ["is", "distinct", "from"] or rest[:1] in (["<>"], ["!="]):
        other, _ = _subject(cond, at + (3 if rest[0] == "is" else 1), last)
        if {subject, other} in ({"new.state", "old.state"}, {"new.*", "old.*"}):
            return True if change.event == "update" else None
    known = _known(subject, change)
    listed = _listed(cond, at, last)
    if known is None or not listed:
        return None
    negated = rest[:1] in (["<>"], ["!="], ["not"]) or rest[:3] == ["is", "distinct", "from"]
    inside = known & listed
    truth: Truth = True if inside == known else None if inside else False
    return truth if truth is None or not negated else not truth


def _known(subject: str, change: Change) -> frozenset[str] | None:
    if subject == "tg_op":
        return frozenset({change.event.upper()})
    if subject == "new.state" and change.values:
        return change.values
    return next((values for column, values in change.given if subject == f"new.{column}"), None)


def _subject(cond: Statement, at: int, last: int) -> tuple[str, int]:
    """`tg_op`, `new.state`, `old.state` (whatever the column's name), `new.*`; "" for anything else."""
    word = cond.word(at)
    if word == "tg_op":
        at, found = at + 1, "tg_op"
    elif word in ("new", "old") and cond.word(at + 1) == "." and at + 2 < last:
        found, at = f"{word}.{cond.word(at + 2)}", at + 3
    elif word in ("new", "old"):
        return f"{word}.*", at + 1
    else:
        return "", at
    while cond.word(at) == "::" and at < last:
        at += 2
    return found, at


def _listed(cond: Statement, at: int, last: int) -> frozenset[str]:
    """The constants that the subject is compared with, when it is `=`, `<>`, IN or = ANY."""
    heads = [cond.word(k) for k in range(at, min(at + 3, last))]
    if not heads or not (heads[0] in ("=", "<>", "!=", "in") or heads[:2] == ["not", "in"] or heads == ["is", "distinct", "from"]):
        return frozenset()
    texts = [cond.code.text[t.start : t.end] for t in cond.tokens[at:last] if t.kind in ("string", "number") or t.word in ("true", "false")]
    others = [t for t in cond.tokens[at + len(heads) : last] if t.kind == "name" and t.word in ("new", "old", "select")]
    return frozenset() if others else frozenset(t.strip("'") for t in texts)


def rename_state(text: str, columns: tuple[str, ...]) -> str:
    """The condition with the state column called `state`, so that one reading serves every schema."""
    import re

    for column in columns:
        text = re.sub(rf"\b(new|old)\s*\.\s*\"?{re.escape(column)}\"?(?!\w)", r"\1.state", text, flags=re.I)
    return text
