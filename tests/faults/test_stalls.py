"""Processes that stand still, rows that others hold, databases that refuse for a while."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway import Context, Tollway
from tollway.errors import TaskFailed
from worker import crashing
from worker.harness import Database, WorkerProcess, eventually, eventually_sync, run, working


def test_a_worker_stopped_past_its_lease_changes_nothing_when_it_wakes(app: Tollway, look: Database, tmp_path: Path) -> None:
    """SIGSTOP, another worker finishes the task, SIGCONT: the first must find its claim gone."""
    reached, file = tmp_path / "reached", tmp_path / "go on"
    environment = {"TOLLWAY_REACHED": str(reached)}
    task = crashing.app.start_sync(crashing.until_told, str(file), conn=look.connection)
    with WorkerProcess(app.dsn, "--lease", "1", **environment) as first:
        eventually_sync(reached.exists)
        first.signal(signal.SIGSTOP)
        epoch = look.one("select claim_epoch from absurd.task where task_id = %s", task.id)
        with WorkerProcess(app.dsn, "--lease", "1", **environment) as second:
            taken = "select claim_epoch > %s and state = 'running' from absurd.task where task_id = %s"
            eventually_sync(lambda: look.one(taken, epoch, task.id))
            file.touch()
            eventually_sync(lambda: look.state(task.id) == "completed")
            moves = look.moves(task.id)
            first.signal(signal.SIGCONT)
            first.says("lease lost")
            assert look.moves(task.id) == moves
            for worker in (first, second):
                worker.signal(signal.SIGTERM)
                assert worker.wait() == 0
    assert moves.count("run.completed") == 1
    assert look.violations() == []


def test_a_row_that_somebody_holds_delays_its_own_task_only(app: Tollway, look: Database) -> None:
    gate = asyncio.Event()

    @app.workflow
    async def held(ctx: Context) -> str:
        await gate.wait()
        return await ctx.step("one", lambda: "done")

    @app.workflow
    async def free(ctx: Context, n: int) -> int:
        return await ctx.step("one", lambda: n)

    async def scenario() -> None:
        handle = await app.start(held)
        async with working(app):
            await eventually(look.states_become(handle.id, "running"))
            with psycopg.connect(look.dsn) as other:
                other.execute("select from absurd.task where task_id = %s for update", (handle.id,))
                gate.set()
                for number, quick in enumerate(await app.start_many(free, range(50))):
                    assert await quick.result(timeout=10) == number
                assert look.state(handle.id) == "running"
            assert await handle.result(timeout=10) == "done"

    run(scenario())
    assert look.violations() == []


@pytest.mark.parametrize("sqlstate", ["53100", "53200", "53300", "40001", "40P01", "57014"])
def test_r23_a_database_that_refuses_for_a_while_loses_nothing(
    app: Tollway, look: Database, caplog: pytest.LogCaptureFixture, sqlstate: str
) -> None:
    """A full disk, no memory, no connections, a deadlock: raised by a trigger until it is taken away."""

    @app.workflow
    async def three(ctx: Context) -> list[int]:
        return [await ctx.step(f"step {n}", lambda n=n: n) for n in range(3)]

    look.connection.execute(
        f"""create function refuse() returns trigger language plpgsql as
            $$ begin raise exception 'refused for a while' using errcode = '{sqlstate}'; end $$"""
    )
    look.connection.execute("create trigger refuse before insert on absurd.checkpoint for each statement execute function refuse()")
    look.connection.execute("alter table absurd.checkpoint enable always trigger refuse")

    async def scenario() -> None:
        handles = await app.start_many(three, [{}] * 5)
        async with working(app):
            running = "select count(*) = 5 from absurd.task where state = 'running'"
            await eventually(lambda: asyncio.sleep(0, look.one(running)))
            await eventually(lambda: asyncio.sleep(0, "refused for a while" in caplog.text))
            look.connection.execute("drop trigger refuse on absurd.checkpoint")
            for handle in handles:
                assert await handle.result(timeout=20) == [0, 1, 2]
        assert look.one("select max(attempt) from absurd.task") == 1, "no attempt was spent"

    run(scenario())
    assert look.violations() == []


def test_a_handler_that_blocks_the_loop_for_three_leases_keeps_its_claim(
    app: Tollway, look: Database, caplog: pytest.LogCaptureFixture
) -> None:
    @app.workflow
    async def spins(ctx: Context) -> int:
        ends = time.monotonic() + 3.5
        while time.monotonic() < ends:
            pass
        return await ctx.step("after", lambda: ctx.attempt)

    async def scenario() -> None:
        handle = await app.start(spins)
        async with working(app, lease=1):
            assert await handle.result(timeout=20) == 1
        assert look.moves(handle.id) == ["task.spawned", "run.claimed", "run.completed"]

    run(scenario())
    assert any("blocked" in record.getMessage() and "spins" in record.getMessage() for record in caplog.records)


def test_a_handler_that_swallows_its_cancellation_harms_only_itself(app: Tollway, look: Database) -> None:
    swallowed = asyncio.Event()
    gate = asyncio.Event()

    @app.workflow
    async def stubborn(ctx: Context) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await gate.wait()
        return await ctx.step("too late", lambda: "ran")

    async def scenario() -> None:
        handle = await app.start(stubborn)
        async with working(app, lease=1):
            await eventually(look.states_become(handle.id, "running"))
            await handle.cancel()
            await asyncio.wait_for(swallowed.wait(), 10)
            gate.set()
            with pytest.raises(TaskFailed, match="cancelled"):
                await handle.result(timeout=10)
        assert look.one("select count(*) from absurd.checkpoint") == 0
        assert look.moves(handle.id)[-1] == "task.cancelled"

    run(scenario())
    assert look.violations() == []


OUTCOMES = ("returns", "raises", "sleeps", "waits", "exits", "child", "conflict")


async def behave(ctx: Context, outcome: str) -> None:
    match outcome:
        case "raises":
            raise OSError("as told")
        case "sleeps":
            await ctx.sleep(0.001)
        case "waits":
            await ctx.emit_event(f"{ctx.task_id}")
            await ctx.gather(ctx.wait_for_event(f"{ctx.task_id}"))
        case "exits":
            raise SystemExit(1)
        case "child":
            await ctx.run_child("does", "returns")
        case "conflict":
            await ctx.step("twice", lambda: 1)
            await ctx.step("twice", lambda: 1)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=25))
def test_slots_are_neither_exceeded_nor_lost(app: Tollway, look: Database, outcomes: list[str]) -> None:
    """However handlers end, never more run at once than there are slots, and afterwards all slots are there."""
    slots = 3
    now, most = 0, 0

    @app.workflow(name="does", max_attempts=1)
    async def does(ctx: Context, outcome: str) -> None:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        try:
            await asyncio.sleep(0)
            await behave(ctx, outcome)
        finally:
            now -= 1

    together = asyncio.Barrier(slots)

    @app.workflow(name="meets", max_attempts=1)
    async def meets(ctx: Context) -> bool:
        await asyncio.wait_for(together.wait(), 10)
        return True

    async def scenario() -> None:
        nonlocal together
        together = asyncio.Barrier(slots)
        async with working(app, concurrency=slots):
            for handle in await app.start_many(does, outcomes):
                try:
                    await handle.result(timeout=20)
                except TaskFailed:
                    continue
            for handle in await app.start_many(meets, [{}] * slots):
                assert await handle.result(timeout=20)

    run(scenario())
    assert most <= slots
    assert now == 0
    assert look.violations() == []
