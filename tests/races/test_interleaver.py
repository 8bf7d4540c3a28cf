"""Two sessions through every order, call by call: each pair of calls in each scene where they meet.

After each schedule: no deadlock, no undeclared SQLSTATE, verify() empty, no lost wake-up, nothing due that cannot be claimed, no end
but one, no changed checkpoint, nobody waiting for a task's row who must not; and an outcome that a serial order has, really run.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from races.actors import ACTORS
from races.arena import Arena, Case
from races.pairs import ROSTERS, elsewhere, partners, together
from races.scenes import SCENES

BOTH = [f"{one}x {two}x {one}c {two}c" for one, two in ("AB", "BA")]
ENDS = [
    f"{one}x {two}x {first}{end} {second}{other}"
    for one, two in ("AB", "BA")
    for first, second in ((one, two), (two, one))
    for end, other in ("cc", "rc", "cr")
]


def run(arena: Arena, case: Case, *, full: bool) -> Iterator[str]:
    """All schedules of a pair; if the two do not meet, as is seen in the first ones, the rest would say nothing new."""
    met = waited = False
    for script in BOTH if full else BOTH[:1]:
        result = arena.judge(case, script)
        yield from result.findings
        met = met or bool(result.blocked) or result.again
        waited = waited or bool(result.blocked)
    if full and (met or len({repr(o) for o in arena.serial(case, "AB")}) > 1):
        for script in ENDS:
            # who waits for the other cannot end before it
            if script not in BOTH and not (waited and script[0] != script[6]):
                yield from arena.judge(case, script).findings


@pytest.mark.parametrize(("scene", "name"), [(scene, name) for scene, names in ROSTERS.items() for name in names])
def test_two_sessions_end_as_one_after_the_other_would(arena: Arena, full: bool, scene: str, name: str) -> None:
    cases = [Case(scene, {"A": (ACTORS[name],), "B": (ACTORS[other],)}) for other in partners(scene, name, full=full)]

    assert [found for case in cases for found in run(arena, case, full=full)] == []


def test_what_no_roster_has_together_does_not_harm_one_another_either(arena: Arena, full: bool) -> None:
    if not full:
        return
    cases = [Case(scene, {"A": (ACTORS[one],), "B": (ACTORS[two],)}) for scene, one, two in elsewhere()]

    assert [found for case in cases for found in run(arena, case, full=False)] == []


def test_every_pair_of_calls_is_run() -> None:
    assert set(ROSTERS) <= set(SCENES)
    ran = together() | {frozenset((one, two)) for _, one, two in elsewhere()}

    names = [name for name, actor in ACTORS.items() if actor.subject not in ("x", "y")]
    assert ran == {frozenset((one, two)) for one in names for two in names}
