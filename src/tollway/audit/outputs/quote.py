"""The user's own lines, quoted under a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tollway.audit.model import Finding, Span

_WORD = re.compile(r"[\w.\"*]+")
_WIDTH = 140


@dataclass(slots=True)
class Quoter:
    """Reads each file once. What is not at hand (a live database, a text made by Python) is not quoted."""

    _lines: dict[str, list[str]] = field(default_factory=dict)

    def line(self, span: Span) -> str:
        """The line of a span, with tabs as single spaces so that columns stay right; "" if there is none."""
        if span.file not in self._lines:
            try:
                self._lines[span.file] = Path(span.file).read_text("utf-8-sig").split("\n")
            except (OSError, UnicodeDecodeError, ValueError):
                self._lines[span.file] = []
        lines = self._lines[span.file]
        return lines[span.line - 1].replace("\t", " ").rstrip()[:_WIDTH] if 0 < span.line <= len(lines) else ""

    def snippet(self, span: Span, context: int = 0) -> Iterator[str]:
        """The line with its number, `context` lines before and after it, and a mark under the word at the column."""
        quoted = self.line(span)
        if not quoted.strip():
            return
        width = len(str(span.line + context))
        yield f"{'':>{width}} |"
        for number in range(span.line - context, span.line + context + 1):
            if 0 < number <= len(self._lines[span.file]):
                yield f"{number:>{width}} | {self.line(Span(span.file, number))}".rstrip()
            if number == span.line:
                at = span.col - 1 if 0 < span.col <= len(quoted) and quoted[span.col - 1] != " " else len(quoted) - len(quoted.lstrip())
                word = _WORD.match(quoted, at)
                yield f"{'':>{width}} | {' ' * at}{'^' * (len(word.group()) if word else 1)}"

    def step(self, span: Span) -> str:
        """One step of a path: the place and what stands there."""
        return "  ".join(filter(None, (str(span), self.line(span).strip(), f"({span.via})" if span.via else "")))


def finding(found: Finding, quoter: Quoter) -> Iterator[str]:
    """A finding as a compiler would say it: what, where, by which path, why it matters, how to mend it."""
    yield f"{found.id}: {found.message}" + ("  [inferred]" if found.confidence == "inferred" else "")
    yield f"  --> {found.span}:{found.span.col}"
    yield from (f"  {line}" for line in quoter.snippet(found.span))
    yield from (f"  = {quoter.step(step)}" for step in found.path)
    if found.why:
        yield f"  why:  {found.why}"
    if found.hint:
        yield f"  mend: {found.hint}"
    yield f"  more: tollway audit explain {found.fingerprint}"
