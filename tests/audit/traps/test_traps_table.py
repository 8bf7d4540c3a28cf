"""The table of traps is complete, and every test that it names is there and can fail."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from table import COUNT, TRAPS

AUDIT = Path(__file__).parents[1]
NAMED = sorted({name for points in TRAPS.values() for names in points.values() for name in names})


@cache
def functions(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((AUDIT / file).read_text("utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_trap_has_its_points_and_every_point_a_test() -> None:
    assert list(TRAPS) == list(range(1, COUNT + 1))
    assert all(points and all(points.values()) for points in TRAPS.values())


@pytest.mark.parametrize("name", NAMED)
def test_each_named_test_is_there_and_asserts(name: str) -> None:
    file, function = name.split("::")
    found = functions(file)[function]

    assert any(isinstance(node, ast.Assert) for node in ast.walk(found))
    assert not [d for d in found.decorator_list if "skip" in ast.unparse(d) or "xfail" in ast.unparse(d)]


def test_every_test_named_for_a_trap_is_in_its_row() -> None:
    for file in AUDIT.rglob("test_*.py"):
        for name in functions(str(file.relative_to(AUDIT))):
            if name.startswith("test_trap_"):
                row = TRAPS[int(name.split("_")[2])]
                assert f"{file.relative_to(AUDIT)}::{name}" in {n for names in row.values() for n in names}
