"""Each difference that the page of compatibility tells has a test, which it names; each test of a difference has a row."""

from __future__ import annotations

import ast
import re

import pytest

from docs.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "absurd-compatibility.md").read_text()
DIFFERENCES, _, _ = PAGE.partition("## The origin's own client")
ROWS = [line.strip("|").split("|") for line in DIFFERENCES.splitlines() if line.startswith("| ")][1:]
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
OWN = "compat/interface/test_differences.py"


def promises_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0].strip()}: {row[1].strip()[:40]}")
def test_a_difference_has_its_reason_and_a_test_that_is_there(row: list[str]) -> None:
    what, here, why, tests = (cell.strip() for cell in row)

    assert all((what, here, why))
    named = NAMED.findall(tests)
    assert named
    assert [f"{file}::{test}" for file, test in named if test not in promises_of(file)] == []


def test_every_test_of_a_difference_has_a_row() -> None:
    assert promises_of(OWN) == {test for row in ROWS for file, test in NAMED.findall(row[3]) if file == OWN}
