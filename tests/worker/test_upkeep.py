"""A worker has the log's partitions made ahead, and does its work whether or not that succeeds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tollway.worker import upkeep
from tollway.workflow import Context, Tollway
from worker.harness import Database, eventually, run, working

WEEKS = "select count(*) from absurd._log_partitions() where from_at >= '2031-01-06'"


def at(look: Database, moment: datetime) -> None:
    look.rows("update absurd.test_clock set now = %s returning 1", moment)


def test_the_weeks_ahead_are_made_when_it_starts_and_again_as_time_goes_on(
    app: Tollway, look: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PERIOD", 0.02)
    begin = datetime(2031, 1, 6, tzinfo=UTC)

    async def five() -> bool:
        return bool(look.one(WEEKS) == 5)

    async def six() -> bool:
        return bool(look.one(WEEKS) == 6)

    async def scenario() -> None:
        at(look, begin)
        async with working(app):
            await eventually(five)
            at(look, begin + timedelta(weeks=1))
            await eventually(six)

    run(scenario())
    assert look.violations() == []


def test_a_worker_that_cannot_have_them_made_works_on(app: Tollway, look: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tollway.worker")
    look.connection.execute("alter function absurd.ensure_partitions(text) rename to elsewhere")

    @app.workflow
    async def one(ctx: Context) -> int:
        return 1

    async def told() -> bool:
        return "partitions could not be looked after" in caplog.text

    async def scenario() -> None:
        async with working(app):
            await eventually(told)
            handle = await app.start(one)
            assert await handle.result(timeout=20) == 1

    run(scenario())
