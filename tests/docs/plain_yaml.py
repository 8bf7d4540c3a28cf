"""Reads the plain part of YAML that the recipes keep to, and refuses everything else: mappings, lists and scalars by indentation."""

from __future__ import annotations

import json
import re
from typing import Any

_KEY = re.compile(r"([A-Za-z_][\w-]*):(?: (.+))?")
_PLAIN = re.compile(r"[^\s\[\]{}&*!|>'\"%@`#,][^#]*")


def load(text: str) -> Any:
    """The document as dictionaries, lists and strings.

    Raises:
        ValueError: a line is not of the plain part, or stands at a wrong depth.
    """
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.lstrip(" ")
        if bare != bare.strip() or not bare:
            raise ValueError(f"line {number}: empty, or with other white space than spaces before it")
        lines.append((len(line) - len(bare), bare))
    value, rest = _block(lines)
    if rest:
        raise ValueError(f"unexpected depth: {rest[0][1]}")
    return value


def _block(lines: list[tuple[int, str]]) -> tuple[Any, list[tuple[int, str]]]:
    depth, first = lines[0]
    if first.startswith("- "):
        items: list[Any] = []
        while lines and lines[0][0] == depth and lines[0][1].startswith("- "):
            inner = lines[0][1][2:]
            if _KEY.fullmatch(inner):
                value, lines = _block([(depth + 2, inner), *lines[1:]])
            else:
                value, lines = _scalar(inner), lines[1:]
            items.append(value)
        return items, lines
    found: dict[str, Any] = {}
    while lines and lines[0][0] == depth:
        key = _KEY.fullmatch(lines[0][1])
        if not key or key[1] in found:
            raise ValueError(f"no key, or one given twice: {lines[0][1]}")
        lines = lines[1:]
        if key[2] is not None:
            found[key[1]] = _scalar(key[2])
        elif lines and lines[0][0] > depth:
            found[key[1]], lines = _block(lines)
        else:
            found[key[1]] = None
    return found, lines


def _scalar(text: str) -> Any:
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError(f"a list that does not end: {text}")
        return [_scalar(part.strip()) for part in text[1:-1].split(",")]
    if text.startswith('"'):
        return json.loads(text)
    if not _PLAIN.fullmatch(text) or ": " in text or text.endswith(":"):
        raise ValueError(f"needs quotes: {text}")
    return {"true": True, "false": False}.get(text, text)
