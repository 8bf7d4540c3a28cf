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


def test_each_has_something_to_take_out() -> None:
    """Of the SQL, which `make mutants` does; of the worker (R23); or the control does it."""
    taken_out = {m.subject for m in derive() if m.kind == "regression"}

    for row, entry in table().items():
        assert row in taken_out or "control" in entry or {test for *_, test in entry.get("python", ())} == {*entry["tests"]}, row


def test_what_is_taken_out_of_the_worker_is_there() -> None:
    for entry in table().values():
        for file, was, _now, _test in entry.get("python", ()):
            assert (TESTS.parent / "src" / "tollway" / file).read_text(encoding="utf-8").count(was) == 1, file
