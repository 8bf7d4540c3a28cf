"""The engine beside a model of its specification: every answer and every record the same, after every step.

The short form makes the same choices each time. The long one is `make model`: TOLLWAY_MODEL_EXAMPLES is its length, and
TOLLWAY_MODEL_SEED, which it prints, repeats it.
"""

from __future__ import annotations

import os

import psycopg
import pytest

from fixtures.database import Database, fresh_database
from model import mutations
from model.courses import Everybody
from model.coverage import Coverage
from model.run import drive
from model.world import Refused
from tollway.embedded import EmbeddedPostgres

LONG = int(os.environ.get("TOLLWAY_MODEL_EXAMPLES", "0"))
SEED = int(os.environ.get("TOLLWAY_MODEL_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
SHORT = 6
A_DATABASE = 20
"""Examples that share one: verify() reads all of its log each time."""
CONTROLS = ("workflow_run is not projected", "the epoch is not checked")
ALL_CONTROLS = (*mutations.MUTATIONS, *mutations.TRANSITIONS)


def test_answers_and_records_are_those_of_the_specification(server: EmbeddedPostgres) -> None:
    """After each step of each example; and, in the long form, every allowed move made and every forbidden one tried."""
    coverage = Coverage()
    print(f"\nmodel: seed {SEED}" if LONG else "\nmodel: the short form")
    try:
        for part in range(LONG // A_DATABASE or 1):
            with fresh_database(server) as db:
                if LONG:
                    drive(db, coverage, examples=A_DATABASE, steps=60, seed=SEED + part)
                else:
                    drive(db, coverage, examples=SHORT, steps=40, seed=None)
    finally:
        print(coverage.report())

    if LONG:
        assert not coverage.never_made
        assert not coverage.never_tried


def test_a_third_of_the_rules_act_with_stale_handles() -> None:
    rules = [name for name in dir(Everybody) if hasattr(getattr(Everybody, name), "hypothesis_stateful_rule")]
    stale = [name for name in rules if name.startswith(("stale_", "raw_"))]

    assert len(stale) * 3 >= len(rules), (stale, rules)


def test_every_mechanism_that_the_long_form_takes_out_is_there(db: Database) -> None:
    for name in ALL_CONTROLS:
        with db.conn.transaction(force_rollback=True):
            mutations.apply(db, name)


@pytest.mark.parametrize("name", ALL_CONTROLS if LONG else CONTROLS)
def test_a_mechanism_that_is_taken_out_is_noticed(db: Database, name: str) -> None:
    """Within five times the short form, those that are named there; in the long form, all of them."""
    mutations.apply(db, name)

    found = _found(db, name)

    print(f"\n{name}: {found}")
    assert found is not None


def _found(db: Database, name: str) -> str | None:
    """What the model says of this schema, or None. A move that nobody specified takes as long to come upon as all of them."""
    try:
        if LONG:
            drive(db, Coverage(), examples=200 if name in mutations.TRANSITIONS else 120, steps=60, seed=SEED, shrink=False)
        else:
            drive(db, Coverage(), examples=5 * SHORT, steps=40, seed=None, shrink=False)
    except (AssertionError, Refused, psycopg.Error) as error:
        return str(error).splitlines()[0]
    return None
