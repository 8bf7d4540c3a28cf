"""Two transactions of two calls each, A1 B1 A2 B2: who keeps the lock order (events, tasks by id, keys) never deadlocks.

The order of two calls in one transaction is its caller's. One that breaks it may deadlock, and PostgreSQL tells one of the two
(40P01); the last test is the control that this is seen here.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product

from races.actors import ACTORS
from races.arena import Arena, Case

# What a call may hold or wait for in scene `crossed`, where x waits for e and y for f: (1) events, (2) tasks, (3) keys. What skips
# never waits, but holds.
EVENTS, TASKS, KEYS = 1, 2, 3
HOLDS: dict[str, list[tuple[int, str]]] = {
    "emit": [(EVENTS, "e"), (TASKS, "x")],
    "emit_g": [(EVENTS, "g")],
    "checkpoint": [(TASKS, "t")],
    "complete": [(TASKS, "t")],
    "complete_brother": [(TASKS, "u")],
    "cancel_x": [(TASKS, "x")],
    "cancel_y": [(TASKS, "y")],
    "spawn": [(KEYS, "k")],
    "spawn_l": [(KEYS, "l")],
    "sync_complete": [(TASKS, "t")],
    "claim": [(TASKS, "z")],
}
SCRIPTS = ["Ax Bx Ax Bx Ac Bc", "Ax Bx Bx Ax Bc Ac"]


def transactions() -> list[tuple[str, str]]:
    """The pairs of calls that keep the order: the second waits for nothing that stands before what the first holds."""
    return [(one, two) for one, two in product(HOLDS, HOLDS) if ACTORS[two].skips or max(HOLDS[one]) <= min(HOLDS[two])]


def case(one: tuple[str, str], two: tuple[str, str]) -> Case:
    return Case("crossed", {"A": tuple(ACTORS[n] for n in one), "B": tuple(ACTORS[n] for n in two)})


def test_transactions_that_keep_the_lock_order_never_deadlock(arena: Arena, full: bool) -> None:
    pairs = list(combinations_with_replacement(transactions(), 2))
    found: list[str] = []
    for one, two in pairs if full else pairs[:: len(pairs) // 20]:
        for script in SCRIPTS if full else SCRIPTS[:1]:
            found += arena.judge(case(one, two), script).findings

    assert found == []


def test_a_group_commit_takes_its_events_before_its_tasks(arena: Arena) -> None:
    """It never waits for a task, but for an event that another session is making: it must not hold a task then."""
    alone = Case("crossed", {"A": (ACTORS["sync_mixed"],), "B": (ACTORS["emit_g"], ACTORS["complete"])})

    result = arena.judge(alone, "Bx Ax Bx Bc Ac")

    assert (result.findings, result.blocked) == ([], {"A"})


def test_transactions_that_take_the_same_rows_the_other_way_round_deadlock_control(control: Arena) -> None:
    turned = [
        (("complete", "complete_brother"), ("complete_brother", "complete")),
        (("emit_g", "complete"), ("complete", "emit_g")),
        (("cancel_x", "emit"), ("emit", "cancel_y")),
        (("spawn", "spawn_l"), ("spawn_l", "spawn")),
    ]
    for one, two in turned:
        findings = control.judge(case(one, two), SCRIPTS[0]).findings
        assert sum("deadlock" in f for f in findings) == 1, findings
