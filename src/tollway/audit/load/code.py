"""SQL text that knows where each of its characters came from.

A statement may stand in a file, in a string inside a function, or be put together from both. Line numbers must survive all
of it, so text is carried as `Code`: the text and, for each stretch of it, the offset in the file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from tollway.audit.model import Span


@dataclass(frozen=True)
class Source:
    """One text: a file, or a string constant inside one. `first_line` is the file's line on which the text begins."""

    file: str
    text: str
    first_line: int = 1

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        row = bisect_right(self._starts, offset) - 1
        return row + self.first_line, offset - self._starts[row] + 1

    def code(self) -> Code:
        return Code(self, self.text, ((0, 0),))


@dataclass(frozen=True)
class Code:
    """Text with its origin. `parts` holds (offset in text, offset in source) where each stretch begins."""

    source: Source
    text: str
    parts: tuple[tuple[int, int], ...]
    dynamic: bool = False
    _keys: list[int] = field(default_factory=list, compare=False, repr=False)

    def at(self, offset: int) -> int:
        """The offset in the source of a character of the text."""
        if len(self.parts) == 1:
            return self.parts[0][1] + offset - self.parts[0][0]
        if not self._keys:
            self._keys.extend(start for start, _ in self.parts)
        row = max(bisect_right(self._keys, offset) - 1, 0)
        start, origin = self.parts[row]
        return origin + max(offset - start, 0)

    def slice(self, start: int, end: int) -> Code:
        """A part of the text, origins kept."""
        if len(self.parts) == 1:
            return Code(self.source, self.text[start:end], ((0, self.at(start)),), self.dynamic)
        inner = [(0, self.at(start))] + [(a - start, b) for a, b in self.parts if start < a < end]
        return Code(self.source, self.text[start:end], tuple(inner), self.dynamic)

    def span(self, start: int = 0, end: int | None = None, via: str = "") -> Span:
        line, col = self.source.place(self.at(start))
        last = line if end is None else self.source.place(self.at(max(end - 1, start)))[0]
        return Span(self.source.file, line, col, last, via)

    def line(self, offset: int = 0) -> int:
        return self.source.place(self.at(offset))[0]


def join(pieces: Iterable[Code | tuple[str, int]], source: Source, *, dynamic: bool) -> Code:
    """Put stretches together; a piece of foreign text is `(text, offset in source to blame)`."""
    texts: list[str] = []
    parts: list[tuple[int, int]] = []
    size = 0
    for piece in pieces:
        if isinstance(piece, Code):
            texts.append(piece.text)
            base = piece.parts[0][0]
            parts.extend((size + start - base, origin) for start, origin in piece.parts)
            size += len(piece.text)
        else:
            texts.append(piece[0])
            parts.append((size, piece[1]))
            size += len(piece[0])
    return Code(source, "".join(texts), tuple(parts) or ((0, 0),), dynamic)
