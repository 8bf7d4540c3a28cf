"""SQL as text with places: what is code and what is a comment or a string, where functions, conditions and clauses begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_QUIET = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_FUNCTION = re.compile(r"^create or replace function absurd\.(\w+)\s*\(", re.MULTILINE)
_TOKEN = re.compile(r"[A-Za-z_]\w*|[()\[\];]")


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a file: its name, its statement, and its body between the dollar quotes."""

    name: str
    whole: Span
    body: Span


def mask(text: str) -> str:
    """The same text with comments and strings blanked, so that every place keeps its number."""
    return _QUIET.sub(lambda m: re.sub(r"[^\n]", "~" if m.group().startswith("'") else " ", m.group()), text)


def functions(text: str) -> Iterator[Function]:
    """The functions of a file in order; a second one of the same name is called name/2."""
    seen: dict[str, int] = {}
    for found in _FUNCTION.finditer(text):
        opened = text.index("$$", found.end())
        closed = text.index("$$;", opened + 2)
        count = seen[found[1]] = seen.get(found[1], 0) + 1
        name = found[1] if count == 1 else f"{found[1]}/{count}"
        yield Function(name, Span(found.start(), closed + 3), Span(opened + 2, closed))


def tokens(masked: str, span: Span) -> Iterator[tuple[str, int, int]]:
    """Words and brackets with their places; everything else is between them."""
    for found in _TOKEN.finditer(masked, span.start, span.end):
        yield found.group().lower(), found.start(), found.end()


def trimmed(text: str, start: int, end: int) -> Span:
    """Without the white space at both ends."""
    piece = text[start:end]
    return Span(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip()))


def terms(masked: str, span: Span, word: str) -> list[Span]:
    """The operands of a chain of AND, or of OR, outside brackets and CASE; BETWEEN keeps its own AND."""
    cuts, depth, between = [span.start], 0, False
    other = "or" if word == "and" else None
    for token, start, end in tokens(masked, span):
        if token in ("(", "[", "case"):
            depth += 1
        elif token in (")", "]", "end"):
            depth -= 1
        elif depth:
            continue
        elif token == other:  # a chain of OR is one operand
            return [trimmed(masked, span.start, span.end)]
        elif token == "between":
            between = True
        elif token == word and between and word == "and":
            between = False
        elif token == word:
            cuts += [start, end]
    cuts.append(span.end)
    return [trimmed(masked, a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]


def until(masked: str, start: int, end: int, stops: frozenset[str]) -> int:
    """The place of the first of these words, or of the bracket or semicolon that closes what is around `start`."""
    depth = 0
    for token, at, _ in tokens(masked, Span(start, end)):
        if not depth and (token in stops or token in (")", "]", ";")):
            return at
        if token in ("(", "[", "case"):
            depth += 1
        elif token in (")", "]", "end"):
            depth -= 1
    return end
