"""Names in statements: `schema.name`, folded, with `*` where a part is computed."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from tollway.audit.load.tokens import Token

HOLE = "__hole__"
"""Stands in a statement for text that is not known."""

_HOLES = re.compile(r"(?:__hole__)+")


def folded(word: str) -> str:
    return _HOLES.sub("*", word) if "__hole__" in word else word


def name_at(tokens: list[Token], i: int) -> tuple[str, int]:
    """The possibly qualified name that begins at token i, and the index after it. ("", i) if none does."""
    if i >= len(tokens) or tokens[i].kind not in ("name", "quoted"):
        return "", i
    parts = [folded(tokens[i].word)]
    i += 1
    while i + 1 < len(tokens) and tokens[i].word == "." and tokens[i].kind == "op" and tokens[i + 1].kind in ("name", "quoted"):
        parts.append(folded(tokens[i + 1].word))
        i += 2
    return ".".join(parts[-2:]), i


def close_of(tokens: list[Token], i: int) -> int:
    """The index of the parenthesis that closes the one at i (or the end)."""
    depth = 0
    for at in range(i, len(tokens)):
        if tokens[at].kind == "op":
            depth += (tokens[at].word in ("(", "[")) - (tokens[at].word in (")", "]"))
            if depth == 0:
                return at
    return len(tokens)


def commas(tokens: list[Token], first: int, last: int) -> list[tuple[int, int]]:
    """The stretches between the commas outside parentheses of tokens first..last."""
    found, depth, start = [], 0, first
    for i in range(first, last):
        if tokens[i].kind != "op":
            continue
        word = tokens[i].word
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == "," and depth == 0:
            found.append((start, i))
            start = i + 1
    if last > start or found:
        found.append((start, last))
    return found


def short(name: str) -> str:
    return name.rsplit(".", 1)[-1]


@lru_cache(maxsize=65536)
def overlaps(a: str, b: str) -> bool:
    """Can two patterns with `*` mean the same name?"""
    if not a or not b:
        return set(a + b) <= {"*"}
    if a[0] == "*":
        return overlaps(a[1:], b) or overlaps(a, b[1:])
    if b[0] == "*":
        return overlaps(a, b[1:]) or overlaps(a[1:], b)
    return a[0] == b[0] and overlaps(a[1:], b[1:])


@lru_cache(maxsize=65536)
def covers(pattern: str, name: str) -> bool:
    """Does every name that `name` can mean fall under `pattern`?"""
    parts = (re.escape(bit) for bit in pattern.split("*"))
    return re.fullmatch(".*".join(parts), name) is not None


def same_relation(pattern: str, name: str) -> bool:
    """`covers`, where a name without a schema, or in public, means the same name in any."""
    return _by_parts(covers, pattern, name)


def may_be(pattern: str, name: str) -> bool:
    """`overlaps`, where a name without a schema means the same name in any."""
    return _by_parts(overlaps, pattern, name)


def _by_parts(compare: Callable[[str, str], bool], pattern: str, name: str) -> bool:
    """Schema against schema and name against name: a `*` ends at the dot."""
    a, b = pattern.removeprefix("public."), name.removeprefix("public.")
    if "." not in a or "." not in b:
        return compare(short(a), short(b))
    (schema, table), (other, relation) = a.rsplit(".", 1), b.rsplit(".", 1)
    return compare(table, relation) and compare(schema, other)
