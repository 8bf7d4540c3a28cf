"""Every SQL function with arguments that nobody should give it: a declared SQLSTATE or success, and nobody else is harmed.

The seed is printed; TOLLWAY_FUZZ_SEED and TOLLWAY_FUZZ_CASES set it and the number of cases.
"""

from __future__ import annotations

import os

from fixtures.database import Database
from fuzz import run, scene
from fuzz.surface import functions

CASES = int(os.environ.get("TOLLWAY_FUZZ_CASES", "170"))
SEED = int(os.environ.get("TOLLWAY_FUZZ_SEED", "0"))


def test_no_argument_harms_anybody(db: Database) -> None:
    """Declared SQLSTATEs only, no statement over a second, verify() empty, every other task of the queue still claimable."""
    print(f"\nfuzz: seed {SEED}, {CASES} cases")
    here, all_functions, seen = scene.build(db), functions(db), run.Seen()

    for number in range(CASES):
        run.case(db, here, all_functions, SEED * 1_000_000 + number, seen)

    for signature, outcomes in sorted(seen.outcomes.items()):
        print(f"  {signature}: {dict(outcomes.most_common())}")
    assert not seen.failures, f"{len(seen.failures)} of {CASES} cases\n" + "\n".join(seen.failures[:20])
    assert seen.outcomes.keys() == {f.signature for f in all_functions}
