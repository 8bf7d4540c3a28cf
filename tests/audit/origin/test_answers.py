"""The auditor answers the origin's questions as a person did, with file and line, at each stage."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest


def load_demo() -> ModuleType:
    spec = spec_from_file_location("origin_demo", Path(__file__).with_name("demo.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


demo = load_demo()


@pytest.fixture(scope="module")
def answers() -> dict[int, list[tuple[str, ...]]]:
    found: dict[int, list[tuple[str, ...]]] = demo.answers()
    return found


@pytest.mark.parametrize("number", demo.QUESTIONS)
def test_each_answer_is_the_hand_written_one(answers: dict[int, list[tuple[str, ...]]], number: int) -> None:
    assert sorted(answers[number]) == sorted(demo.expected()[number])


def test_the_incident_is_a_finding_until_the_gate() -> None:
    """BP003: claim_task reaches fail_run past its Python wrapper; at the third stage nothing is left to find."""
    first, second, third = (demo.scan(stage) for stage in demo.STAGES)
    bypass = ("BP003", "sql/001_engine.sql", 94)

    assert bypass in [(f["id"], f["file"], f["line"]) for f in first["findings"]]
    assert bypass in [(f["id"], f["file"], f["line"]) for f in second["findings"]]
    assert third["findings"] == []
    assert [report["unknowns"] for report in (first, second, third)] == [[], [], []]


def test_a_difference_is_noticed() -> None:
    told = demo.expected()
    found = {number: [row for row in rows if row[0] != "claim_task"] for number, rows in told.items()}

    assert "question 1: the auditor misses  claim_task  sql/001_engine.sql:98  update  running" in demo.differences(told, found)


def test_the_demo_ends_well() -> None:
    assert demo.main() == 0
