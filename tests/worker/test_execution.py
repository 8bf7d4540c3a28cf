"""Workflows run to their results, and a replay finds what was recorded."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from tollway.errors import TaskFailed
from tollway.worker.connection import Link
from tollway.workflow import Context, SyncContext, Tollway
from worker.harness import Database, eventually, run, work_off, working


def test_an_async_workflow_returns_its_result(app: Tollway, look: Database) -> None:
    """Two steps, a result, and a verified record."""

    @app.workflow(version="1")
    async def add(ctx: Context, numbers: list[int]) -> int:
        first = await ctx.step("first", lambda: numbers[0])
        second = await ctx.step("second", lambda: numbers[1])
        return first + second

    async def scenario() -> None:
        handle = await app.start(add, [2, 3])
        await work_off(app)
        assert await handle.result(timeout=5) == 5
        assert look.moves(handle.id) == ["task.spawned", "run.claimed", "run.completed"]

    run(scenario())
    assert look.violations() == []


def test_a_sync_workflow_runs_in_a_thread(app: Tollway, look: Database) -> None:
    threads: list[str] = []

    @app.workflow
    def shout(ctx: SyncContext, word: str, times: int) -> str:
        threads.append(threading.current_thread().name)
        loud: str = ctx.step("loud", word.upper)
        return loud * times

    handle = app.start_sync(shout, "a", 3)
    run(work_off(app))

    assert handle.result(timeout=5) == "AAA"
    assert threads[0].startswith("tollway-sync")
    assert look.violations() == []


def test_a_step_returns_what_json_keeps_on_its_first_execution_too(app: Tollway) -> None:
    @app.workflow
    async def pair(ctx: Context) -> list[Any]:
        got = await ctx.step("pair", lambda: (1, 2))
        return [isinstance(got, list), got]

    async def scenario() -> None:
        handle = await app.start(pair)
        await work_off(app)
        assert await handle.result(timeout=5) == [True, [1, 2]]

    run(scenario())


def test_a_retry_replays_recorded_steps_without_their_bodies(app: Tollway, look: Database) -> None:
    bodies: list[str] = []

    @app.workflow(max_attempts=2, retry={"kind": "none"})
    async def twice(ctx: Context) -> str:
        value = await ctx.step("once", lambda: bodies.append("once") or f"attempt {ctx.attempt}")
        if ctx.attempt == 1:
            raise RuntimeError("the first attempt fails")
        return value

    async def scenario() -> None:
        handle = await app.start(twice)
        await work_off(app)
        assert await handle.result(timeout=5) == "attempt 1"

    run(scenario())
    assert bodies == ["once"]
    assert look.violations() == []


def test_the_last_failed_attempt_fails_the_task_with_its_traceback(app: Tollway, look: Database) -> None:
    @app.workflow(max_attempts=1)
    async def broken(ctx: Context) -> None:
        secret = "do not record me"
        await ctx.step("divide", lambda: len(secret) / 0)

    async def scenario() -> None:
        handle = await app.start(broken)
        await work_off(app)
        with pytest.raises(TaskFailed) as failed:
            await handle.result(timeout=5)
        assert failed.value.reason["name"] == "ZeroDivisionError"
        assert "broken" in failed.value.reason["traceback"]
        assert "do not record me" not in failed.value.reason["message"]

    run(scenario())
    assert look.violations() == []


def test_a_step_name_used_twice_fails_the_run(app: Tollway) -> None:
    @app.workflow(max_attempts=1)
    async def careless(ctx: Context) -> None:
        await ctx.step("same", lambda: 1)
        await ctx.step("same", lambda: 2)

    async def scenario() -> None:
        handle = await app.start(careless)
        await work_off(app)
        with pytest.raises(TaskFailed, match="DuplicateStep"):
            await handle.result(timeout=5)

    run(scenario())


def test_a_result_that_is_not_json_fails_its_task_and_not_the_worker(app: Tollway, look: Database) -> None:
    @app.workflow
    async def strange(ctx: Context) -> object:
        return object()

    @app.workflow
    async def plain(ctx: Context) -> int:
        return 1

    async def scenario() -> None:
        async with working(app):
            bad = await app.start(strange)
            with pytest.raises(TaskFailed, match="strange"):
                await bad.result(timeout=10)
            good = await app.start(plain)
            assert await good.result(timeout=10) == 1
        assert look.moves(bad.id).count("run.claimed") == 1

    run(scenario())


def test_a_handler_that_exits_harms_only_its_task(app: Tollway) -> None:
    @app.workflow(max_attempts=1)
    async def leaves(ctx: Context) -> None:
        raise SystemExit(1)

    async def scenario() -> None:
        handle = await app.start(leaves)
        await work_off(app)
        with pytest.raises(TaskFailed, match="SystemExit"):
            await handle.result(timeout=5)

    run(scenario())


def test_an_unknown_name_is_put_back_and_spends_no_attempt(app: Tollway, look: Database) -> None:
    other = Tollway(app.dsn, app.queue)

    @other.workflow
    async def elsewhere(ctx: Context) -> int:
        return 7

    @app.workflow
    async def here(ctx: Context) -> int:
        return 8

    async def scenario() -> None:
        foreign = await other.start(elsewhere)
        known = await app.start(here)
        async with working(app):
            assert await known.result(timeout=10) == 8
            await eventually(look.states_become(foreign.id, "sleeping"))
        assert look.moves(foreign.id)[:3] == ["task.spawned", "run.claimed", "run.put_back"]
        assert look.one("select attempt from absurd.task where task_id = %s", foreign.id) == 1

    run(scenario())
    assert look.violations() == []


def test_r23_a_slow_task_does_not_idle_the_other_slots(app: Tollway) -> None:
    """A free slot is filled at once: many quick tasks pass one that waits."""
    gate: dict[str, Any] = {}

    @app.workflow
    async def slow(ctx: Context) -> str:
        await gate["open"].wait()
        return "slow"

    @app.workflow
    async def quick(ctx: Context, n: int) -> int:
        return n

    async def scenario() -> None:
        import asyncio

        gate["open"] = asyncio.Event()
        first = await app.start(slow)
        rest = [await app.start(quick, n) for n in range(10)]
        async with working(app, concurrency=2):
            assert [await handle.result(timeout=10) for handle in rest] == list(range(10))
            gate["open"].set()
            assert await first.result(timeout=10) == "slow"

    run(scenario())


def test_the_same_idempotency_key_gives_the_same_task(app: Tollway) -> None:
    @app.workflow
    async def once(ctx: Context) -> None: ...

    async def scenario() -> None:
        first = await app.start(once, idempotency_key="order 7")
        again = await app.start(once, idempotency_key="order 7")
        assert again.id == first.id

    run(scenario())


def test_the_workers_connections_do_not_inherit_an_isolation_level(app: Tollway, look: Database) -> None:
    """At REPEATABLE READ a statement would not see what the locks of the one before it waited for."""
    name = look.one("select quote_ident(current_database())")
    look.connection.execute(f"alter database {name} set default_transaction_isolation = 'repeatable read'")
    levels: list[Any] = []

    async def scenario() -> None:
        with psycopg.connect(look.dsn) as fresh:
            levels.append(fresh.execute("show transaction_isolation").fetchone())
        link = Link(look.dsn, "worker")
        cursor = await (await link.connection()).execute("show transaction_isolation")
        levels.append(await cursor.fetchone())
        await link.close()

    run(scenario())
    assert levels == [("repeatable read",), ("read committed",)]
