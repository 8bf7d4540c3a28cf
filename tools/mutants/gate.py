"""Mutants of the gate as a whole: a trigger that is not there, or not ALWAYS; a function that does nothing; a move that is not listed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mutants.text import Function, Span

_TRIGGER = re.compile(r"create or replace trigger (\w+) [^;]* on absurd\.(\w+)\s[^;]*;", re.MULTILINE)
_ENABLE = "\n  loop\n    execute format('alter table absurd.%I enable always"
_ROW = re.compile(r"^   \('(\w+)',\s*'(\w+)',\s*'([\w.]+)',\s*'[^']*'\)(,?)", re.MULTILINE)
_HEADER = re.compile(r"function absurd\.\w+\s*\((.*?)\)\s*(?:returns\s+(table\s*\(.*?\)|[\w.\[\]]+))?\s*language (\w+)", re.DOTALL)

Named = Iterator[tuple[str, tuple[Span, str]]]


def triggers(text: str) -> Named:
    """Each trigger, taken out."""
    for found in _TRIGGER.finditer(text):
        yield f"{found[2]}.{found[1]}", (Span(found.start(), found.end()), "")


def enabled(text: str) -> Named:
    """Each trigger left as an ordinary one: the loop that sets ALWAYS passes it by."""
    at = text.find(_ENABLE)
    if at < 0:
        return
    for found in _TRIGGER.finditer(text):
        condition = f"\n      and (c.relname, g.tgname) <> ('{found[2]}', '{found[1]}')"
        yield f"{found[2]}.{found[1]}", (Span(at, at), condition)


def rows(text: str) -> Named:
    """Each move of absurd.transition, not listed."""
    if "insert into absurd.transition" not in text:
        return
    for found in _ROW.finditer(text):
        start = found.start()
        if not found[4]:  # the last one takes the comma before it along
            start = text.rindex(",", 0, start)
        yield f"{found[1]}>{found[2]}:{found[3]}", (Span(start, found.end()), "")


def emptied(text: str, function: Function) -> tuple[Span, str]:
    """The function with a body that does nothing, and answers nothing or what it was given."""
    header = _HEADER.search(text, function.whole.start)
    assert header, function.name
    arguments, returns, language = header[1], header[2], header[3]
    if returns == "trigger":
        body = "begin if tg_level = 'STATEMENT' then return null; elsif tg_op = 'DELETE' then return old; end if; return new; end"
    elif language == "sql":
        body = f"select {_nothing(returns)}"
    elif returns is None or returns.startswith("table") or returns == "void":
        body = "begin return; end"
    else:
        given = re.findall(rf"(\w+) {re.escape(returns)}\b", arguments)
        body = f"begin return {given[-1] if given and returns.startswith('absurd.') else 'null'}; end"
    return function.body, f"\n{body}\n"


def _nothing(returns: str) -> str:
    if not returns.startswith("table"):
        return f"null::{returns}"
    columns = re.findall(r"\w+ ([\w.]+)", returns.split("(", 1)[1])
    return ", ".join(f"null::{c}" for c in columns) + " where false"
