"""Workflows in the test's process: waits take no time, and what never comes is named."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from tollway import Context, Retry, SyncContext, Tollway
from tollway.errors import AwaitTimedOut, InvalidOption, TaskFailed, WorkflowNotRegistered
from tollway.testing import Env, TaskStuck


def sleeper(app: Tollway, *, sync: bool) -> Any:
    if sync:

        @app.workflow
        def sleeps(ctx: SyncContext, days: int) -> int:
            ctx.step("before", lambda: 1)
            ctx.sleep(timedelta(days=days))
            return ctx.step("after", lambda: days)

        return sleeps

    @app.workflow(name="sleeps")
    async def sleeps_async(ctx: Context, days: int) -> int:
        await ctx.step("before", lambda: 1)
        await ctx.sleep(timedelta(days=days))
        return await ctx.step("after", lambda: days)

    return sleeps_async


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
def test_a_sleep_of_days_takes_no_real_time(env: Env, app: Tollway, sync: bool) -> None:
    workflow = sleeper(app, sync=sync)
    before, began = env.db.clock.now(), time.monotonic()

    assert env.run(workflow, 30) == 30
    assert time.monotonic() - began < 10
    assert env.db.clock.now() - before == timedelta(days=30)
    assert env.db.verify() == []


def test_it_runs_on_the_loop_of_an_asynchronous_test(env: Env, app: Tollway) -> None:
    workflow = sleeper(app, sync=False)

    async def scenario() -> None:
        assert await env.run_async(workflow, 2) == 2
        with pytest.raises(InvalidOption, match="inside a running event loop"):
            env.run(workflow, 2)

    asyncio.run(scenario())


def test_a_failure_is_raised_after_its_back_offs(env: Env, app: Tollway) -> None:
    calls: list[int] = []

    @app.workflow(max_attempts=4, retry=Retry(max_attempts=4, first=3600, jitter=0))
    async def fails(ctx: Context) -> None:
        calls.append(ctx.attempt)
        raise ValueError("no stock")

    with pytest.raises(TaskFailed, match="no stock"):
        env.run(fails)
    assert calls == [1, 2, 3, 4]


def waiting(app: Tollway, timeout: timedelta | None = None) -> Any:
    @app.workflow
    async def waits(ctx: Context, order: int) -> Any:
        await ctx.step("asked", lambda: True)
        return await ctx.wait_for_event(f"approved:{order}", timeout=timeout)

    return waits


def test_an_event_that_nobody_emits_is_named_with_the_call_to_make(env: Env, app: Tollway) -> None:
    with pytest.raises(TaskStuck) as caught:
        env.run(waiting(app), 7)
    assert "'waits' waits for event 'approved:7', after step 'asked', and nobody emits it" in str(caught.value)
    assert "env.emit('approved:7', payload)" in str(caught.value)


def test_the_event_of_a_child_is_named(env: Env, app: Tollway) -> None:
    child = waiting(app)

    @app.workflow
    async def parent(ctx: Context) -> Any:
        return await ctx.run_child(child, 8)

    with pytest.raises(TaskStuck, match=r"'parent' waits for 'waits', which waits for event 'approved:8'"):
        env.run(parent)


def test_events_are_emitted_when_they_are_waited_for(env: Env, app: Tollway) -> None:
    assert env.run(waiting(app), 7, events={"approved:7": {"by": "ann"}}) == {"by": "ann"}


def test_a_wait_with_a_time_out_ends_by_it(env: Env, app: Tollway) -> None:
    with pytest.raises(TaskFailed, match=AwaitTimedOut.__name__):
        env.run(waiting(app, timedelta(days=3)), 7)


def test_a_body_that_never_ends_is_named_by_the_step_before_it(env: Env, app: Tollway) -> None:
    @app.workflow
    async def hangs(ctx: Context) -> None:
        await ctx.step("first", lambda: 1)
        await ctx.step("second", asyncio.Event().wait)

    with pytest.raises(TaskStuck, match=r"still runs after 0\.3 s of real time: it is in the step after 'first'"):
        env.run(hangs, timeout=0.3)


def test_step_by_step(env: Env, app: Tollway) -> None:
    workflow = sleeper(app, sync=False)
    handle = env.start(workflow, 1)
    assert env.task(handle).state == "pending"
    env.work_off()
    asleep = env.task(handle)
    assert (asleep.state, next(iter(asleep.steps))) == ("sleeping", "before")
    env.advance(timedelta(days=1, seconds=-1))
    env.work_off()
    assert env.task(handle).state == "sleeping"
    env.advance(timedelta(seconds=1))
    env.work_off()

    done = env.task(handle)
    assert (done.state, done.result, done.steps["after"].value) == ("completed", 1, 1)
    assert done.log == ["task.spawned", "run.claimed", "run.suspended", "run.claimed", "run.completed"]


def test_an_event_can_be_emitted_before(env: Env, app: Tollway) -> None:
    env.emit("approved:7", "yes")
    assert env.run(waiting(app), 7) == "yes"


def test_the_app_points_to_the_test_and_back(env: Env) -> None:
    app = Tollway("postgresql://nowhere/nothing")
    with Env(env.server, env.db) as inner:
        inner.bind(app)
        assert app.dsn == env.db.dsn
    assert app.dsn == "postgresql://nowhere/nothing"


def test_without_an_app_the_error_says_so(env: Env) -> None:
    with pytest.raises(InvalidOption, match="no app is bound"):
        env.run("anything")


def test_an_unknown_workflow_is_refused(env: Env, app: Tollway) -> None:
    with pytest.raises(WorkflowNotRegistered):
        env.run("anything")
