"""`-- tollway: ignore BP001 reason="..." owner=... until=2027-01-31` in SQL, and the same after `#` in Python.

A comment is about its own line; one that stands alone is about the next line that has more than a comment.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator, Sequence
from datetime import date
from difflib import get_close_matches

from tollway.audit.load.code import Source
from tollway.audit.load.modules import files
from tollway.audit.model import Idle, Span, Suppression
from tollway.audit.suppress.configured import RULE

_MARK = re.compile(r"(?:--|#)\s*tollway:(.*)$")
_ORDER = re.compile(r"\s*ignore\b[:\s]*((?:[A-Za-z]+\d+[,\s]*)*)(.*)$")
_PAIR = re.compile(r"""\s*(\w+)\s*=\s*("[^"]*"|'[^']*'|[^\s"']+)""")
_ALONE = re.compile(r"\s*(?:(?:--|#).*)?$")
_KEYS = ("reason", "owner", "until")
_EXAMPLE = 'write -- tollway: ignore BP001 reason="why it may stay"'


def texts(python: Sequence[str]) -> Iterator[Source]:
    """The Python files, as texts. What cannot be read has been named already."""
    for path in files(python):
        try:
            with tokenize.open(path) if path.suffix == ".py" else path.open(encoding="utf-8-sig") as file:
                yield Source(str(path), file.read())
        except (OSError, SyntaxError, ValueError):
            continue


def comments(sources: Sequence[Source]) -> Iterator[Suppression | Idle]:
    """Every suppression in the texts; a wrong one says what is wrong."""
    seen: set[Span] = set()
    for source in sources:
        if "tollway:" not in source.text:
            continue
        lines = source.text.split("\n")
        for at, line in enumerate(lines):
            mark = _MARK.search(line)
            if mark and _meant(mark.group(1)):
                span = Span(source.file, at + source.first_line, mark.start() + 1)
                if span not in seen:
                    seen.add(span)
                    yield _read(mark.group(1).rstrip("\r"), span, _about(lines, at) + source.first_line)


def _meant(text: str) -> bool:
    """Is it an order to us, if a mistyped one? Other remarks may begin with our name."""
    return bool(get_close_matches(re.split(r"[^a-z]", text.strip().lower(), maxsplit=1)[0], ["ignore"], 1, 0.7))


def _about(lines: Sequence[str], at: int) -> int:
    """The row that a comment is about."""
    if not _ALONE.match(lines[at]):
        return at
    return next((row for row in range(at + 1, len(lines)) if not _ALONE.match(lines[row])), at)


def _read(text: str, span: Span, line: int) -> Suppression | Idle:
    def wrong(problem: str, hint: str) -> Idle:
        return Idle(span, problem, hint, f"{span.file}|{text.strip()}")

    order = _ORDER.match(text)
    if order is None:
        return wrong(f"not understood: tollway:{text}", _EXAMPLE)
    rules = tuple(rule.upper() for rule in re.split(r"[,\s]+", order.group(1).strip()) if rule)
    if not rules or not all(map(RULE.fullmatch, rules)):
        return wrong("the suppression names no rule" if not rules else f"{', '.join(rules)}: no rule is called so", _EXAMPLE)
    given: dict[str, str] = {}
    rest = order.group(2)
    while rest.strip():
        pair = _PAIR.match(rest)
        if pair is None:
            return wrong(f"not understood: {rest.strip()}", _EXAMPLE)
        given[pair.group(1)] = pair.group(2).strip("\"'")
        rest = rest[pair.end() :]
    for key in given:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            return wrong(f"unknown key {key!r}", f"did you mean {near[0]!r}?" if near else f"keys: {', '.join(_KEYS)}")
    if not given.get("reason", "").strip():
        return wrong("the suppression gives no reason", _EXAMPLE)
    try:
        until = date.fromisoformat(given["until"]) if "until" in given else None
    except ValueError:
        return wrong(f"until={given['until']} is no day", "write until=2027-01-31")
    return Suppression(given["reason"], span, rules, given.get("owner", ""), until, line=line)
