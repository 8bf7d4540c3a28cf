"""One session stopped between two statements of a function, while another makes its whole call: in every place where that can be.

This is where a check and the act that relies on it can be parted. The other's transaction ends before the first goes on, or after.
"""

from __future__ import annotations

import pytest

from races import pauses
from races.actors import ACTORS
from races.arena import Arena, Case
from races.pairs import PAUSED
from races.scenes import build

SCRIPTS = ["Ax Bx Bc go Ac", "Ax Bx go Ac Bc"]
SHORT = {
    ("placeholder", "await"): ["cleanup_events", "emit"],
    ("placeholder", "emit"): ["cleanup_events"],
    ("timed_out", "await"): ["await"],
    ("running", "complete"): ["cancel", "drop_queue"],
    ("failed", "retry"): ["cleanup_tasks"],
    ("idle", "worker_idle"): ["worker_idle"],
    ("idle", "create_queue"): ["create_queue", "drop_queue"],
}


def found(arena: Arena, scene: str, name: str, others: list[str]) -> list[str]:
    findings: list[str] = []
    if not others:
        return findings
    query, arguments = ACTORS[name].statement(build(arena.db, scene), "A")
    for point in pauses.passed(arena.sessions["A"], query, *arguments):
        for other in others:
            for script in SCRIPTS:
                result = arena.judge(Case(scene, {"A": (ACTORS[name],), "B": (ACTORS[other],)}), script, point)
                findings += result.findings
                if "B" in result.blocked:
                    break  # it has ended after the first already
    return findings


@pytest.mark.parametrize(("scene", "name"), [(scene, name) for scene, names in PAUSED.items() for name in names])
def test_a_call_may_come_between_any_two_statements_of_another(paused_arena: Arena, full: bool, scene: str, name: str) -> None:
    others = PAUSED[scene] if full else SHORT.get((scene, name), [])

    assert found(paused_arena, scene, name, others) == []


def test_pauses_leave_a_functions_answer_alone(paused_arena: Arena, arena: Arena, full: bool) -> None:
    for scene, names in PAUSED.items():
        for name in names if full else names[:1]:
            case = Case(scene, {"A": (ACTORS[name],)})
            assert paused_arena.serial(case, "A") == arena.serial(case, "A"), case
