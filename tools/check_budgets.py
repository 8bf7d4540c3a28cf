"""Hold files and functions to the project's size budgets; an exception is listed here, with its reason."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE, FUNCTION, TEST_FILE, SQL_FUNCTION, README = 400, 50, 500, 80, 150
GENERATED = "# GENERATED"

# "path" or "path::function" -> why it may be longer
EXCEPTIONS: dict[str, str] = {
    "src/tollway/sql/20_gate/50_project_move.sql::absurd._gate_project": (
        "a statement's transition table is seen in its trigger's own function alone, so what reads it stands in one"
    ),
}

SQL_START = re.compile(r"^create or replace (?:function|procedure) ([\w.]+)", re.IGNORECASE)
DOLLAR_QUOTE = re.compile(r"\$\w*\$")


@dataclass(frozen=True, slots=True)
class Overrun:
    """Something longer than its budget; `key` is what EXCEPTIONS would name."""

    key: str
    lines: int
    budget: int

    def __str__(self) -> str:
        return f"{self.key}: {self.lines} lines, the budget is {self.budget}"


def python_overruns(key: str, text: str, *, file_budget: int, function_budget: int | None = FUNCTION) -> Iterator[Overrun]:
    if text.startswith(GENERATED):
        return
    lines = len(text.splitlines())
    if lines > file_budget:
        yield Overrun(key, lines, file_budget)
    if function_budget is None:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > function_budget:
                yield Overrun(f"{key}::{node.name}", length, function_budget)


def sql_overruns(key: str, text: str) -> Iterator[Overrun]:
    """A function begins at its CREATE and ends at the line with its second dollar quote."""
    name, start, quotes = "", 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        if found := SQL_START.match(line):
            name, start, quotes = found.group(1), number, 0
        if not name:
            continue
        quotes += len(DOLLAR_QUOTE.findall(line))
        if quotes >= 2:
            if number - start + 1 > SQL_FUNCTION:
                yield Overrun(f"{key}::{name}", number - start + 1, SQL_FUNCTION)
            name = ""


def overruns(root: Path = ROOT) -> Iterator[Overrun]:
    """Everything over its budget, exceptions included."""
    for path in sorted((root / "src").rglob("*.py")) + sorted((root / "tools").rglob("*.py")):
        yield from python_overruns(path.relative_to(root).as_posix(), path.read_text(), file_budget=MODULE)
    for path in sorted((root / "tests").rglob("*.py")):
        yield from python_overruns(path.relative_to(root).as_posix(), path.read_text(), file_budget=TEST_FILE, function_budget=None)
    for path in sorted((root / "src").rglob("*.sql")):
        yield from sql_overruns(path.relative_to(root).as_posix(), path.read_text())
    readme = root / "README.md"
    if readme.exists() and (lines := len(readme.read_text().splitlines())) > README:
        yield Overrun("README.md", lines, README)


def main() -> int:
    found = list(overruns())
    for overrun in found:
        if overrun.key not in EXCEPTIONS:
            sys.stderr.write(f"{overrun}\n")
    unused = EXCEPTIONS.keys() - {overrun.key for overrun in found}
    for key in sorted(unused):
        sys.stderr.write(f"{key} is within its budget: remove its exception\n")
    return 1 if unused or any(overrun.key not in EXCEPTIONS for overrun in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
