"""Workflows that the database starts on moves."""

from __future__ import annotations

from typing import Any

import pytest

from tollway import Tollway
from tollway.errors import InvalidOption, UnknownQueue
from worker.harness import Database, run, work_off


def test_a_failure_and_a_completion_start_their_handlers(app: Tollway, look: Database, cases: Any) -> None:
    notes: list[Any] = []
    breaks = cases.alerting(app, notes)

    async def scenario() -> None:
        await work_off(app)  # the hooks are registered when a worker starts
        await app.start(breaks, 0)
        await app.start(breaks, 5)
        await work_off(app)

    run(scenario())
    assert sorted(notes) == [("breaks", "completed", None), ("breaks", "failed", "broken by 5")]


def test_a_move_made_in_psql_starts_it_too(app: Tollway, look: Database, cases: Any) -> None:
    notes: list[Any] = []
    breaks = cases.alerting(app, notes)

    async def scenario() -> None:
        await work_off(app)
        handle = await app.start(breaks, 5)
        look.rows("select absurd.cancel_task('default', %s)", handle.id)
        await work_off(app)

    run(scenario())
    assert notes == [("breaks", "cancelled", "pending")]


def test_a_state_that_is_none_is_refused(app: Tollway) -> None:
    with pytest.raises(InvalidOption, match="to_state is 'broken'"):
        app.on_move("broken")


def test_a_hook_of_an_unknown_queue_stops_the_worker_with_its_name(app: Tollway, cases: Any) -> None:
    @app.on_move("failed", queue="nowhere")
    def alert(ctx: Any, move: Any) -> None: ...

    with pytest.raises(UnknownQueue, match="nowhere"):
        run(work_off(app))
