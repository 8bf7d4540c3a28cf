"""The table of regressions is whole: each defect has its tests, they exist under its number, and something shows that they can fail."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS.parent / "tools"))

from mutants.derive import derive  # noqa: E402
from mutants.regressions import table  # noqa: E402

ROWS = [f"R{n}" for n in range(1, 26)]


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """The names of all test functions there are."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in TESTS.rglob("test_*.py")]
    return {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_regression_has_a_row() -> None:
    assert list(table()) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_the_tests_that_are_there(row: str, tests: set[str]) -> None:
    entry = table()[row]
    named = {*entry["tests"], *([entry["control"]] if "control" in entry else [])}

    assert named == {name for name in tests if name.startswith(f"test_r{row[1:]}_")}
    assert entry["tests"]
    assert entry["defect"]
    assert entry["holds"]


def test_each_but_the_workers_own_has_something_to_take_out() -> None:
    """R23 is Python's: no SQL holds it."""
    taken_out = {m.subject for m in derive() if m.kind == "regression"}

    assert taken_out | {row for row in ROWS if "control" in table()[row]} == {*ROWS} - {"R23"}
