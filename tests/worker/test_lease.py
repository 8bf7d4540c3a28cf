"""Leases: kept while a handler runs, noticed when lost, and never in the way of a dead database."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from tollway.worker.lease import Leases, _Pulse
from tollway.worker.line import Line
from tollway.workflow import Context, SyncContext, Tollway
from worker.harness import Database, eventually, eventually_sync, run, working

EXPIRES = "select claim_expires_at from absurd.task where task_id = %s"


def test_r23_the_heartbeat_keeps_a_long_step_alive(app: Tollway, look: Database) -> None:
    """The step holds the event loop itself, and waits there until its lease was extended twice."""

    @app.workflow(max_attempts=1)
    async def hogs(ctx: Context) -> str:
        def body() -> str:
            for _ in range(2):
                before = look.one(EXPIRES, ctx.task_id)
                eventually_sync(lambda before=before: look.one(EXPIRES, ctx.task_id) > before)
            return "alive"

        return await ctx.step("hog", body)

    async def scenario() -> None:
        handle = await app.start(hogs)
        async with working(app, lease=1):
            assert await handle.result(timeout=20) == "alive"
        assert look.moves(handle.id) == ["task.spawned", "run.claimed", "run.completed"]

    run(scenario())
    assert look.violations() == []


def test_a_handler_that_blocks_the_loop_is_named(app: Tollway, look: Database, caplog: pytest.LogCaptureFixture) -> None:
    @app.workflow
    async def hogs(ctx: Context) -> None:
        eventually_sync(lambda: any("hogs" in line and "blocked" in line for line in caplog.messages))

    async def scenario() -> None:
        handle = await app.start(hogs)
        async with working(app, lease=1):
            await handle.result(timeout=20)

    with caplog.at_level(logging.WARNING, "tollway.worker"):
        run(scenario())


def test_a_loop_that_was_closed_is_nobody_to_be_asked() -> None:
    """The worker's loop may end before the thread does, which then ended with a traceback."""
    loop = asyncio.new_event_loop()
    pulse = _Pulse()
    pulse.start(loop)
    loop.close()

    pulse.check()


@pytest.mark.parametrize("end", ["cancelled", "released"])
def test_a_lost_task_stops_its_handler_and_frees_its_slot(app: Tollway, look: Database, end: str) -> None:
    stopped = threading.Event()
    begun: list[int] = []

    @app.workflow
    async def victim(ctx: Context) -> int:
        await ctx.wait_for_event("emitted before")  # answered at once: it goes on, and can be lost
        begun.append(ctx.attempt)
        if len(begun) == 1:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
        return len(begun)

    @app.workflow
    async def next_one(ctx: Context) -> str:
        return "my turn"

    async def scenario() -> None:
        await app.emit_event("emitted before")
        task = await app.start(victim)
        async with working(app, lease=1, concurrency=1):
            await eventually(_is(lambda: begun))
            if end == "cancelled":
                look.rows("select absurd.cancel_task('default', %s)", task.id)
            else:
                epoch = look.one("select claim_epoch from absurd.task where task_id = %s", task.id)
                claims = f'[{{"task_id": "{task.id}", "epoch": {epoch}}}]'
                look.rows("select * from absurd.release_claims('default', %s::jsonb)", claims)
            await eventually(_is(stopped.is_set))
            other = await app.start(next_one)
            assert await other.result(timeout=20) == "my turn"
            if end == "released":
                assert await task.result(timeout=20) == 2
        assert "run.failed" not in look.moves(task.id)

    run(scenario())
    assert look.violations() == []


def test_a_cancelled_thread_ends_at_its_next_call(app: Tollway, look: Database) -> None:
    go, swallowed, unwound = threading.Event(), threading.Event(), threading.Event()
    begun = threading.Event()

    @app.workflow
    def victim(ctx: SyncContext) -> None:
        begun.set()
        go.wait(20)
        try:
            ctx.step("too late", lambda: 1)
        except Exception:
            swallowed.set()
        finally:
            unwound.set()

    async def scenario() -> None:
        task = await app.start(victim)
        async with working(app, lease=600):
            await eventually(_is(begun.is_set))
            look.rows("select absurd.cancel_task('default', %s)", task.id)
            go.set()
            await eventually(_is(unwound.is_set))
        assert look.moves(task.id)[-1] == "task.cancelled"

    run(scenario())
    assert not swallowed.is_set()
    assert look.violations() == []


@pytest.mark.parametrize("way", ["completes", "waits"])
def test_one_that_has_left_and_does_not_know_it_is_not_called_lost(
    app: Tollway, look: Database, way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer that says so is held back until the heartbeat was told that the claim is over."""
    told = asyncio.Event()
    ask, report = Line.ask, Leases._report

    async def asking(line: Line, *args: Any, **options: Any) -> Any:
        answer = await ask(line, *args, **options)
        if look.one("select exists (select from absurd.task where state in ('completed', 'sleeping'))"):
            await asyncio.wait_for(told.wait(), 20)
        return answer

    def reporting(leases: Leases, claim: Any, status: str) -> None:
        report(leases, claim, status)
        told.set()

    monkeypatch.setattr(Line, "ask", asking)
    monkeypatch.setattr(Leases, "_report", reporting)

    @app.workflow
    async def leaves(ctx: Context) -> None:
        if way == "waits":
            await ctx.wait_for_event("go on")

    async def scenario() -> None:
        task = await app.start(leaves)
        async with working(app, lease=1):
            await asyncio.wait_for(told.wait(), 20)
            await app.emit_event("go on")
            await task.result(timeout=20)

    with caplog.at_level(logging.WARNING, "tollway.worker"):
        run(scenario())
    assert [line for line in caplog.messages if "lease lost" in line] == []


def _is(condition: Any) -> Any:
    async def asked() -> Any:
        return condition()

    return asked
