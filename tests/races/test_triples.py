"""Three sessions, for calls that take more than one lock: every order in which they come, and three in which they end."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement, permutations

import pytest

from races.actors import ACTORS
from races.arena import Arena, Case
from races.pairs import TRIPLES

# the first may take back what it did: who waited for it goes on, with what it held meanwhile
ENDS = ["{0}c {1}c {2}c", "{0}r {1}c {2}c", "{2}c {1}c {0}c"]


def cases(scene: str, *, full: bool) -> list[Case]:
    if not full and scene != "broadcast":
        return []
    of = combinations_with_replacement if full else combinations
    return [Case(scene, {who: (ACTORS[name],) for who, name in zip("ABC", names, strict=True)}) for names in of(TRIPLES[scene], 3)]


@pytest.mark.parametrize("scene", TRIPLES)
def test_three_sessions_end_as_one_after_another_would(arena: Arena, full: bool, scene: str) -> None:
    found: list[str] = []
    for case in cases(scene, full=full):
        orders = list(permutations("ABC"))
        for order in orders if full else orders[::3]:
            begin = " ".join(f"{who}x" for who in order)
            for end in ENDS if full else ENDS[:2]:
                found += arena.judge(case, f"{begin} {end.format(*order)}").findings

    assert found == []
