"""What a call may come to, by the text alone: the server counts only functions that return, and many a test wants an error."""

from __future__ import annotations

import re
from functools import cache

from mutants.gate import triggers
from mutants.place import release
from mutants.text import functions

_CALL = re.compile(r"\babsurd\.(\w+)\s*\(")
_WRITE = re.compile(r"\b(?:insert into|update|delete from)\s+absurd\.(\w+)")
_EXECUTES = re.compile(r"execute function absurd\.(\w+)")


@cache
def _direct() -> dict[str, set[str]]:
    """Of each function those that it calls itself, the triggers of the tables it writes included."""
    fired: dict[str, set[str]] = {}
    for file in release().code:
        for name, (span, _) in triggers(file.text):
            fired.setdefault(name.split(".")[0], set()).update(_EXECUTES.findall(span.of(file.text)))
    calls: dict[str, set[str]] = {}
    for file in release().code:
        for function in functions(file.text):
            body = function.body.of(file.text)
            found = calls.setdefault(function.name.split("/")[0], set())
            found.update(_CALL.findall(body))
            for table in _WRITE.findall(body):
                found |= fired.get(table, set())
    return calls


@cache
def reached(name: str) -> frozenset[str]:
    """This function and all that it may call, however deep."""
    seen: set[str] = set()
    left = [name]
    while left:
        if (one := left.pop()) not in seen:
            seen.add(one)
            left += _direct().get(one, ())
    return frozenset(seen)


@cache
def askers(name: str) -> frozenset[str]:
    """Whose statements a function in SQL may have become part of: the server does not count it then."""
    header = re.compile(rf"function absurd\.{name}\([^$]*\blanguage sql\b")
    if not any(header.search(file.text) for file in release().code):
        return frozenset()
    return frozenset(function for function, called in _direct().items() if name in called)


@cache
def mentioned(source: str) -> frozenset[str]:
    """What the functions that a test module names may call."""
    found: set[str] = set()
    for name in set(re.findall(r"\babsurd\.(\w+)", source)):
        found |= reached(name)
    return frozenset(found)
