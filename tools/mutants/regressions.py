"""The regressions by name (tests/regressions/table.toml): what each says is to be taken out, and which tests must notice."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parents[2] / "tests" / "regressions" / "table.toml"


def table() -> dict[str, dict[str, Any]]:
    """The rows, by R-number."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def patches(root: Path) -> Iterator[tuple[str, str, int, str, str]]:
    """Of each patch its row, its file, the place, what is there and what is put there."""
    for number, row in table().items():
        for file, was, now in row.get("patch", ()):
            text = (root / file).read_text(encoding="utf-8")
            assert text.count(was) == 1, f"{number}: {file} has {text.count(was)} times {was!r}"
            yield number, file, text.index(was), was, now


def named(derived: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of each mutant that a row names, the row and the mutant."""
    for number, row in table().items():
        for name in row.get("mutants", ()):
            yield number, derived[name]


def belongs(row: str, test: str) -> bool:
    """Is this a test of that row, by its name?"""
    return test.split("::")[-1].startswith(f"test_r{row[1:]}_")
