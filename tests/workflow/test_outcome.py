"""How often who waits for a result looks for it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from itertools import islice

import pytest

from fixtures.database import Database
from tollway import Tollway
from tollway.errors import TaskFailed
from tollway.workflow.outcome import LONGEST_POLL, QUICK_LOOKS, QUICK_POLL, QUICK_WAITERS, poll_delays


def test_who_waits_alone_looks_in_each_of_the_first_milliseconds_and_ever_less_often_then() -> None:
    with closing(poll_delays(set())) as looks:
        delays = list(islice(looks, 60))

    assert delays[:QUICK_LOOKS] == [QUICK_POLL] * QUICK_LOOKS
    later = delays[QUICK_LOOKS:]
    assert later == sorted(later)
    assert later[-1] == LONGEST_POLL


def test_where_many_wait_together_none_is_so_quick() -> None:
    waiters: set[object] = set()
    few = [poll_delays(waiters) for _ in range(QUICK_WAITERS)]
    assert {next(delays) for delays in few} == {QUICK_POLL}

    many = [*few, poll_delays(waiters)]
    next(many[-1])

    assert min(next(delays) for delays in many) > QUICK_POLL


def test_who_waits_no_longer_is_not_counted() -> None:
    waiters: set[object] = set()
    before = [poll_delays(waiters) for _ in range(3 * QUICK_WAITERS)]
    for delays in before:
        next(delays)
        delays.close()

    assert next(poll_delays(waiters)) == QUICK_POLL


@pytest.mark.parametrize("form", ["async", "sync"])
def test_a_wait_that_ends_in_an_error_is_over(db: Database, form: str) -> None:
    db.rows("select absurd.create_queue('default')")
    app = Tollway(db.dsn)

    @app.workflow
    async def cancelled(ctx: object) -> None: ...

    handle = app.start_sync(cancelled)
    handle.cancel("not wanted")

    with pytest.raises(TaskFailed, match="was cancelled"):
        handle.result() if form == "sync" else asyncio.run(app.handle(handle.id).result())
    assert app.waiters == set()
