"""A worker outlives its connections, whichever of them the database ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import psycopg
import pytest

from tollway.embedded import EmbeddedPostgres
from tollway.worker.group_commit import APART_FROM
from tollway.workflow import Context, Tollway
from worker.harness import Database, eventually, run, working


@pytest.mark.parametrize("purpose", ["worker", "listen", "heartbeat"])
def test_r23_a_worker_reconnects(app: Tollway, look: Database, purpose: str) -> None:
    gate: list[asyncio.Event] = []

    @app.workflow
    async def waits(ctx: Context) -> str:
        await ctx.step("before", lambda: 1)
        await gate[0].wait()
        return await ctx.step("after", lambda: "done")

    async def scenario() -> None:
        gate.append(asyncio.Event())
        first = await app.start(waits)
        async with working(app, lease=1):

            async def killed() -> int:
                return look.kill_backends(purpose)

            await eventually(look.states_become(first.id, "running"))
            await eventually(killed)
            gate[0].set()
            assert await first.result(timeout=20) == "done"
            second = await app.start(waits)
            assert await second.result(timeout=20) == "done"
        assert look.moves(first.id) == ["task.spawned", "run.claimed", "run.completed"]

    run(scenario())
    assert look.violations() == []


def test_tasks_whose_claim_was_not_answered_are_not_lost(app: Tollway, look: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer on the claims' own connection is lost with it: what was claimed is told again, not found when the lease is over."""
    tasks, lost = 300, []

    @app.workflow
    async def quick(ctx: Context, n: int) -> int:
        return n

    async def scenario() -> None:
        await app.start_many(quick, list(range(tasks)))
        async with working(app, lease=600, concurrency=2 * APART_FROM) as worker:
            claims = worker._commit._claims_line
            assert claims is not None
            ask = claims.ask

            async def unheard(*call: Any, **how: Any) -> Any:
                lost.append(await ask(*call, **how))
                await claims.close()
                raise psycopg.OperationalError("gone")

            monkeypatch.setattr(claims, "ask", unheard)

            async def all_over() -> bool:
                return bool(look.one("select count(*) from absurd.task where state = 'completed'") == tasks)

            await eventually(all_over)

    run(scenario())
    assert any(json.loads(answer)["claims"] for answer in lost)
    assert look.one("select count(*) from absurd.task where attempt > 1") == 0
    assert look.violations() == []


def test_r23_a_worker_outlives_a_server_that_is_killed_and_started_again(own_server: EmbeddedPostgres) -> None:
    app = Tollway(own_server.dsn)
    gate: list[asyncio.Event] = []

    @app.workflow
    async def waits(ctx: Context) -> str:
        await ctx.step("before", lambda: 1)
        await gate[0].wait()
        return await ctx.step("after", lambda: "done")

    async def scenario() -> None:
        gate.append(asyncio.Event())
        look = Database(own_server.dsn)
        look.connection.execute("select absurd.create_queue('default')")
        first = await app.start(waits)
        async with working(app, lease=60):
            await eventually(look.states_become(first.id, "running"))
            own_server.kill()
            gate[0].set()
            await asyncio.to_thread(own_server.start)
            look = Database(own_server.dsn)
            await eventually(look.states_become(first.id, "completed"))
            second = await app.start(waits)
            await eventually(look.states_become(second.id, "completed"))
        assert look.moves(first.id) == ["task.spawned", "run.claimed", "run.completed"], "by the worker that had it"
        assert look.rows("select invariant from absurd.verify()") == []
        look.close()

    run(scenario())


def test_a_storm_of_cut_connections_loses_and_doubles_nothing(app: Tollway, look: Database) -> None:
    """Calls are cut while in flight; each is sent again, and answered as if nothing had happened."""

    @app.workflow
    async def counts(ctx: Context, n: int) -> int:
        total = 0
        for i in range(5):
            total += await ctx.step(f"add {i}", lambda: n)
        return total

    async def scenario() -> None:
        handles = [await app.start(counts, n) for n in range(100)]
        cuts = 0
        async with working(app, lease=5, concurrency=10):
            while look.one("select count(*) from absurd.task where state <> 'completed'"):
                cuts += look.kill_backends("worker")
                before = look.one("select count(*) from absurd.checkpoint")

                async def progress(before: int = before) -> bool:
                    unfinished = look.one("select count(*) from absurd.task where state <> 'completed'")
                    return not unfinished or look.one("select count(*) from absurd.checkpoint") > before

                await eventually(progress)
        assert cuts > 3
        assert [await handle.result(timeout=5) for handle in handles] == [5 * n for n in range(100)]
        assert look.one("select count(*) from absurd.run where state = 'completed'") == 100
        assert look.one("select count(*) from absurd.checkpoint") == 500

    run(scenario())
    assert look.violations() == []
