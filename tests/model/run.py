"""Running the machine: so many examples of so many steps, each some examples in a database of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from fixtures.database import Database
from model import raw
from model.actors import Actors
from model.courses import Everybody
from model.coverage import Coverage


@contextmanager
def machine(db: Database, coverage: Coverage) -> Iterator[type[Everybody]]:
    """The machine on this database."""
    db.conn.execute("set timezone = 'UTC'")
    if db.one("select to_regproc('public.try_moves') is null"):
        db.conn.execute(raw.HELPER)
    actors = Actors(db)
    try:
        yield type("Here", (Everybody,), {"db": db, "actors": actors, "coverage": coverage})
    finally:
        actors.close()


def drive(db: Database, coverage: Coverage, *, examples: int, steps: int, seed: int | None, shrink: bool = True) -> None:
    """Raise what the machine found. Without a seed it makes the same choices each time."""
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, derandomize=seed is None, deadline=None, database=None, phases=phases,
        suppress_health_check=list(HealthCheck), print_blob=False, report_multiple_bugs=False,
    )  # fmt: skip
    with machine(db, coverage) as made:
        factory: Callable[[], Everybody] = made if seed is None else hypothesis.seed(seed)(made)
        run_state_machine_as_test(factory, settings=chosen)
