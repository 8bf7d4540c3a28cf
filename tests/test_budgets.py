"""The checks on size and on SQL headers find what they are there to find."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"
HEADER = """\
-- nap: rest.
--
-- Called by  worker
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe
create or replace function absurd.nap() returns void language sql as $$ select $$;
"""


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


budgets = tool("check_budgets")
headers = tool("check_sql_headers")


def test_the_project_keeps_its_budgets() -> None:
    over = [str(o) for o in budgets.overruns() if o.key not in budgets.EXCEPTIONS]

    assert over == []


def test_every_exception_has_a_reason() -> None:
    assert all(reason.strip() for reason in budgets.EXCEPTIONS.values())


@pytest.mark.parametrize(("body_lines", "expected"), [(49, []), (50, ["m.py::f"])])
def test_a_function_over_its_budget_is_found(body_lines: int, expected: list[str]) -> None:
    text = "def f():\n" + "    pass\n" * body_lines

    assert [o.key for o in budgets.python_overruns("m.py", text, file_budget=400)] == expected


def test_a_module_over_its_budget_is_found() -> None:
    assert [o.lines for o in budgets.python_overruns("m.py", "x = 1\n" * 401, file_budget=400)] == [401]


@pytest.mark.parametrize(("body_lines", "expected"), [(76, []), (77, ["f.sql::absurd.f"])])
def test_a_sql_function_over_its_budget_is_found(body_lines: int, expected: list[str]) -> None:
    text = "create or replace function absurd.f() returns void\nlanguage plpgsql\nas $$\n" + "--\n" * body_lines + "$$;\n"

    assert [o.key for o in budgets.sql_overruns("f.sql", text)] == expected


def test_a_complete_header_passes() -> None:
    assert headers.problems("nap", HEADER) == []


@pytest.mark.parametrize("field", headers.FIELDS)
def test_a_header_without_a_field_is_found(field: str) -> None:
    text = "".join(line for line in HEADER.splitlines(keepends=True) if not line.startswith(f"-- {field}"))

    assert headers.problems("nap", text) == [f"the header has field `{field}` 0 times"]


def test_a_header_that_names_another_function_is_found() -> None:
    assert len(headers.problems("doze", HEADER)) == 2
