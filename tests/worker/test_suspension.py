"""Sleeps, events and emissions: suspended durably, woken once, and the same under replay."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from tollway.errors import AwaitTimedOut
from tollway.workflow import Context, SyncContext, Tollway
from worker.harness import Database, eventually, run, work_off, working


def test_a_sleep_suspends_and_resumes_where_it_was(app: Tollway, look: Database, db: Any) -> None:
    bodies: list[str] = []

    @app.workflow
    async def nap(ctx: Context) -> str:
        await ctx.step("before", lambda: bodies.append("before"))
        await ctx.sleep(3600)
        await ctx.step("after", lambda: bodies.append("after"))
        return "rested"

    async def scenario() -> None:
        handle = await app.start(nap)
        await work_off(app)
        assert look.state(handle.id) == "sleeping"
        db.clock.advance(timedelta(seconds=3599))
        await work_off(app)
        assert look.state(handle.id) == "sleeping"
        db.clock.advance(timedelta(seconds=2))
        await work_off(app)
        assert await handle.result(timeout=5) == "rested"

    run(scenario())
    assert bodies == ["before", "after"]
    assert look.violations() == []


def test_a_short_sleep_needs_no_test_clock(app: Tollway, look: Database) -> None:
    @app.workflow
    def nap(ctx: SyncContext) -> int:
        ctx.sleep(0.05)
        ctx.sleep(0.05)
        return ctx.attempt

    async def scenario() -> None:
        handle = await app.start(nap)
        async with working(app):
            assert await handle.result(timeout=15) == 1
        assert look.moves(handle.id).count("run.suspended") == 2

    run(scenario())
    assert look.violations() == []


def test_an_event_that_was_emitted_before_is_there_at_once(app: Tollway, look: Database) -> None:
    @app.workflow
    async def approve(ctx: Context, order: int) -> Any:
        return await ctx.wait_for_event(f"approved:{order}", timeout=60)

    async def scenario() -> None:
        await app.emit_event("approved:7", {"by": "ann"})
        handle = await app.start(approve, 7)
        await work_off(app)
        assert await handle.result(timeout=5) == {"by": "ann"}
        assert look.moves(handle.id) == ["task.spawned", "run.claimed", "run.completed"]

    run(scenario())
    assert look.violations() == []


@pytest.mark.parametrize("payload", [{"by": "ann"}, None, False, 0, ""])
def test_an_event_that_comes_later_wakes_its_waiter(app: Tollway, look: Database, payload: Any) -> None:
    @app.workflow
    async def approve(ctx: Context) -> Any:
        return [await ctx.wait_for_event("approved")]

    async def scenario() -> None:
        handle = await app.start(approve)
        async with working(app):
            await eventually(look.states_become(handle.id, "sleeping"))
            await app.emit_event("approved", payload)
            assert await handle.result(timeout=15) == [payload]

    run(scenario())
    assert look.violations() == []


def test_a_timeout_is_the_same_in_every_later_execution(app: Tollway, look: Database) -> None:
    """The event comes after the time-out: a replay must not see it."""
    seen: list[str] = []

    @app.workflow(max_attempts=2, retry={"kind": "none"})
    async def impatient(ctx: Context) -> str:
        try:
            await ctx.wait_for_event("late", timeout=0.05)
            seen.append("event")
        except AwaitTimedOut:
            seen.append("timed out")
        if ctx.attempt == 1:
            await ctx.step("let it come", lambda: None)
            app.emit_event_sync("late", "too late")
            raise RuntimeError("again")
        return seen[-1]

    async def scenario() -> None:
        handle = await app.start(impatient)
        async with working(app):
            assert await handle.result(timeout=15) == "timed out"

    run(scenario())
    assert set(seen) == {"timed out"}
    assert look.violations() == []


def test_an_event_emitted_by_a_workflow_wakes_another(app: Tollway, look: Database) -> None:
    @app.workflow
    async def asks(ctx: Context) -> Any:
        return await ctx.wait_for_event("answer")

    @app.workflow
    def answers(ctx: SyncContext) -> None:
        ctx.emit_event("answer", 42)

    async def scenario() -> None:
        waiting = await app.start(asks)
        async with working(app):
            await eventually(look.states_become(waiting.id, "sleeping"))
            await app.start(answers)
            assert await waiting.result(timeout=15) == 42

    run(scenario())
    assert look.violations() == []


def test_a_handler_cannot_swallow_its_suspension(app: Tollway, look: Database) -> None:
    @app.workflow
    async def stubborn(ctx: Context) -> str:
        with contextlib.suppress(BaseException):
            await ctx.sleep(3600)
        return "never this early"

    async def scenario() -> None:
        handle = await app.start(stubborn)
        await work_off(app)
        assert look.state(handle.id) == "sleeping"

    run(scenario())
    assert look.violations() == []


@pytest.mark.parametrize("who", ["own sleep", "delayed start"])
def test_an_idle_worker_needs_no_poll_to_see_what_becomes_due(
    app: Tollway, look: Database, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr("tollway.worker.wakeup.PERIOD", 1000.0)

    @app.workflow
    async def nap(ctx: Context) -> str:
        await ctx.sleep(0.5 if who == "own sleep" else 0)
        return "rested"

    async def scenario() -> None:
        handle = await app.start(nap, delay=0.5 if who == "delayed start" else 0)
        async with working(app):
            assert await handle.result(timeout=15) == "rested"

    run(scenario())
    assert look.violations() == []
