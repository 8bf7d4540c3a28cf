"""SIGTERM to a worker whose line for claims is broken: refused, or open to somebody who does not answer."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from faults import flow
from faults.flow import BOUND, CLAIMS, OPERATIONS, SLOTS, TASKS, Flow, Lines
from faults.proxy import Proxy
from tollway import Tollway
from worker.harness import Database, eventually_sync, run

PURPOSE = CLAIMS.removeprefix("tollway ")


def behind_a_proxy(proxy: Proxy, database: str, story: Callable[[str], None]) -> None:
    """`story` is told the address that leads through the proxy."""

    async def scenario() -> None:
        async with proxy:
            await asyncio.to_thread(story, proxy.dsn(database))

    run(scenario(), within=4 * BOUND)


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "not answered"])
def test_a_line_that_cannot_be_opened_does_not_keep_the_worker(
    app: Tollway, look: Database, tmp_path: Path, folder: Path, refused: bool
) -> None:
    flow.start_tasks(look)
    place = conninfo_to_dict(look.dsn)
    proxy = Proxy(folder, str(place["host"]), deaf_to=PURPOSE if refused else None)
    proxy.mute_to = PURPOSE

    def story(dsn: str) -> None:
        with Flow(dsn, tmp_path / "worker", "--grace", "0.1") as worker:
            worker.settled(look)
            worker.wave()
            eventually_sync(lambda: proxy.refused if refused else flow.backend(look, CLAIMS), BOUND)
            worker.settled(look)  # the other line serves
            worker.process.signal(signal.SIGTERM)
            assert worker.process.wait(BOUND) == 0

    behind_a_proxy(proxy, str(place["dbname"]), story)
    assert flow.running(look) == 0
    flow.work_off_the_rest(app.dsn, tmp_path / "other")
    flow.assert_each_ended_once(look)


def test_a_claim_that_is_never_answered_keeps_its_tasks_for_a_lease_and_the_worker_not_at_all(
    app: Tollway, look: Database, db: Any, tmp_path: Path, folder: Path
) -> None:
    """The claim is made, and nobody hears of it: as if the worker had been killed. All that it knew of is given back at once."""
    flow.start_tasks(look)
    lines = Lines.laid(look)
    place = conninfo_to_dict(look.dsn)
    proxy = Proxy(folder, str(place["host"]))

    def story(dsn: str) -> None:
        with Flow(dsn, tmp_path / "worker", "--grace", "0.1") as worker:
            worker.both_lines_busy(lines, look)
            proxy.mute_to = PURPOSE
            lines.let_go(CLAIMS)
            eventually_sync(lines.has_claimed, BOUND)
            lines.let_go(OPERATIONS)
            worker.process.signal(signal.SIGTERM)
            assert worker.process.wait(BOUND) == 0

    behind_a_proxy(proxy, str(place["dbname"]), story)
    assert flow.running(look) == SLOTS
    assert flow.completed(look) >= SLOTS
    lines.removed()
    for other in ("recovers", "tries again"):  # a lease that ends is a failed attempt, whose retry is put off
        db.clock.advance(timedelta(hours=1))
        flow.work_off_the_rest(app.dsn, tmp_path / other)
    assert flow.completed(look) == TASKS
    assert look.violations() == []
