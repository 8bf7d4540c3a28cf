"""Every mutant of the engine, derived from its text: one thing taken out of one file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mutants import regressions
from mutants.conditions import cases, conjuncts, epochs, guards
from mutants.gate import emptied, enabled, rows, triggers
from mutants.text import Function, Span, functions, mask

SQL_DIR = Path(__file__).resolve().parents[2] / "src" / "tollway" / "sql"

# what no task's state depends on: the path in the log, reading, scheduling, the verifier itself
_NO_MOVE = re.compile(
    r"20_gate/30_call_path|30_internal/(10|20|45|46|47)_|30_internal/v\d|"
    r"40_api/(get_|list_|uuidv7|week_|partition_week|portable|validate_|retry_delay|verify|repair|enable_cron|disable_cron|"
    r"schedule_detach|drop_detached|ensure_|set_queue_policy|set_on_move|remove_on_move|cleanup_all)"
)
_LOCK = re.compile(r"\s*\bfor\s+(?:no key update|update|key share|share)\b(?:\s+of\s+\w+)?(?:\s+skip locked)?|\block table [^;]*;")
_SKIP = re.compile(r"\s+skip locked\b")

Edit = tuple[Span, str]


@dataclass(frozen=True, slots=True)
class Mutant:
    """`name` is kind, subject and number; `file` has `was` at that place, and the mutant has `now` there."""

    name: str
    file: str
    subject: str
    was: str
    now: str
    start: int
    end: int

    @property
    def kind(self) -> str:
        return self.name.split(" ", 1)[0]

    def apply(self, text: str) -> str:
        assert text[self.start : self.end] == self.was
        return text[: self.start] + self.now + text[self.end :]

    @property
    def shown(self) -> str:
        """What is taken out, on one line, as the kept file has it."""
        return " ".join(self.was.split())[:120]


def derive(root: Path = SQL_DIR) -> list[Mutant]:
    """All mutants, in the order of the files."""
    found: list[Mutant] = []
    for folder in ("20_gate", "30_internal", "40_api"):
        for path in sorted((root / folder).glob("*.sql")):
            found += _of_file(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    found += _of_regressions(root, {m.name: m for m in found})
    assert len({m.name for m in found}) == len(found)
    return found


def _of_regressions(root: Path, derived: dict[str, Mutant]) -> list[Mutant]:
    """What the table of regressions takes out, to be noticed by the tests of its row alone."""
    found = [
        Mutant(f"regression {row} {derived_.name}", derived_.file, row, derived_.was, derived_.now, derived_.start, derived_.end)
        for row, derived_ in regressions.named(derived)
    ]
    for row, file, start, was, now in regressions.patches(root):
        number = sum(m.subject == row for m in found) + 1
        found.append(Mutant(f"regression {row} {number}", file, row, was, now, start, start + len(was)))
    return found


def _of_file(file: str, text: str) -> Iterator[Mutant]:
    masked = mask(text)

    def mutant(kind: str, subject: str, number: int | None, edit: Edit) -> Mutant:
        name = f"{kind} {subject}" + (f" {number}" if number else "")
        return Mutant(name, file, subject, edit[0].of(text), edit[1], edit[0].start, edit[0].end)

    for subject, edit in triggers(text):
        yield mutant("trigger", subject, None, edit)
    for subject, edit in enabled(text):
        yield mutant("enable", subject, None, edit)
    for subject, edit in rows(text):
        yield mutant("row", subject, None, edit)
    for function in functions(text):
        if file.startswith("20_gate/"):
            yield mutant("empty", function.name, None, emptied(text, function))
        for kind, find in _KINDS.items():
            if kind in ("lock", "skip") or not _NO_MOVE.search(file):
                for number, edit in enumerate(find(masked, function), 1):
                    yield mutant(kind, function.name, number, edit)


def _removed(pattern: re.Pattern[str]) -> Callable[[str, Function], Iterator[Edit]]:
    def find(masked: str, function: Function) -> Iterator[Edit]:
        for found in pattern.finditer(masked, function.body.start, function.body.end):
            yield Span(found.start(), found.end()), ""

    return find


_KINDS: dict[str, Callable[[str, Function], Iterator[Edit]]] = {
    "lock": _removed(_LOCK),
    "skip": _removed(_SKIP),
    "epoch": epochs,
    "guard": guards,
    "case": cases,
    "where": conjuncts,
}
