"""Workflows that survive a kill at each of their commits, and what is reported about them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tollway import Context, SyncContext, Tollway
from tollway.errors import InvalidOption
from tollway.testing import Env
from tollway.testing.resume import recorder


def ordering(app: Tollway) -> Any:
    async def charge(amount: int) -> dict[str, int]:
        return {"charged": amount}

    async def reserve(connection: Any, amount: int) -> int:
        await connection.execute("insert into reserved values (%s)", (amount,))
        return amount

    @app.workflow
    async def order(ctx: Context, amount: int) -> list[Any]:
        paid = await ctx.step("charge", charge, amount)
        reserved = await ctx.transaction("reserve", reserve, amount)
        approved = await ctx.wait_for_event("approved", timeout=timedelta(days=1))
        await ctx.sleep(timedelta(hours=1))
        at, lot, id_ = await ctx.now(), await ctx.random(), await ctx.uuid()
        return [paid, reserved, approved, at.isoformat(), lot, str(id_)]

    return order


def ordering_sync(app: Tollway) -> Any:
    def reserve(connection: Any, amount: int) -> int:
        connection.execute("insert into reserved values (%s)", (amount,))
        return amount

    @app.workflow
    def order(ctx: SyncContext, amount: int) -> list[Any]:
        paid = ctx.step("charge", lambda: {"charged": amount})
        reserved = ctx.transaction("reserve", reserve, amount)
        approved = ctx.wait_for_event("approved", timeout=timedelta(days=1))
        ctx.sleep(timedelta(hours=1))
        at, lot, id_ = ctx.now(), ctx.random(), ctx.uuid()
        return [paid, reserved, approved, at.isoformat(), lot, str(id_)]

    return order


@pytest.mark.parametrize("make", [ordering, ordering_sync], ids=["async", "sync"])
def test_a_safe_workflow_passes_at_every_commit(env: Env, app: Tollway, make: Any) -> None:
    report = env.assert_resume_safe(
        make(app),
        7,
        events={"approved": "yes"},
        setup=lambda db: db.conn.execute("create table reserved (amount int)"),
        check=lambda db: db.rows("select amount from reserved") == [(7,)],
        strict=["reserve"],
    )

    assert report.commits == (
        "the record of step 'charge'",
        "the transaction 'reserve'",
        "the wait for event 'approved'",
        "going to sleep, with '$sleep#1'",
        "the record of step '$now#1'",
        "the record of step '$random#1'",
        "the record of step '$uuid#1'",
        "the completion",
    )
    assert [(kill.commit, kill.moment) for kill in report.kills] == [(c, m) for c in report.commits for m in ("before", "after")]
    assert report.result[:3] == [{"charged": 7}, 7, "yes"]
    assert report.reruns == {"charge": 2}
    assert report.kills[0].reruns == {"charge": 2}
    assert report.kills[1].reruns == {}


def family(app: Tollway) -> Any:
    @app.workflow
    async def child(ctx: Context, number: int) -> int:
        doubled: int = await ctx.step("double", lambda: number * 2)
        await ctx.sleep(60)
        return doubled

    @app.workflow
    async def parent(ctx: Context) -> Any:
        loaded = await ctx.map("load", lambda n: n + 1, [1, 2])
        one = await ctx.start_child(child, 5, key="five")
        other = await ctx.start_child(child, 6)
        return [loaded, await ctx.gather(one.result(), other.result())]

    return parent


def family_sync(app: Tollway) -> Any:
    @app.workflow
    def child(ctx: SyncContext, number: int) -> int:
        doubled: int = ctx.step("double", lambda: number * 2)
        ctx.sleep(60)
        return doubled

    @app.workflow
    def parent(ctx: SyncContext) -> Any:
        loaded = ctx.map("load", lambda n: n + 1, [1, 2])
        one = ctx.start_child(child, 5, key="five")
        other = ctx.start_child(child, 6)
        return [loaded, ctx.gather(one.result, other.result)]

    return parent


@pytest.mark.parametrize(("make", "most"), [(family, None), (family_sync, 8)], ids=["async", "sync"])
def test_children_and_parallel_steps(env: Env, app: Tollway, make: Any, most: int | None) -> None:
    report = env.assert_resume_safe(make(app), max_kills=most)

    assert report.result == [[2, 3], [10, 12]]
    assert {"the record of step 'load[1]'", "the start of child 'five'", "the completion of child 'child#1'"} <= set(report.commits)
    assert most is not None or report.reruns["double of child 'five'"] == 2


def test_branches_of_ones_own_may_run_in_any_order(env: Env, app: Tollway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that are asked for in other tasks than the handler's have no order to be compared."""

    @app.workflow
    async def races(ctx: Context) -> list[int]:
        async def branch(number: int) -> int:
            await ctx.step(f"first {number}", asyncio.sleep, 0.02 * number)
            return await ctx.step(f"second {number}", lambda: number)

        return list(await asyncio.gather(branch(2), branch(1), branch(0)))

    assert env.assert_resume_safe(races, max_kills=6).result == [2, 1, 0]
    monkeypatch.setattr(recorder, "_where", lambda: (0, 0))
    with pytest.raises(AssertionError, match="run again, the workflow asked for step"):
        env.assert_resume_safe(races)


def test_an_attempt_that_fails_by_itself_is_part_of_the_run(env: Env, app: Tollway) -> None:
    calls: list[int] = []

    def flaky() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("no answer")
        return "paid"

    @app.workflow
    async def tries(ctx: Context) -> str:
        return await ctx.step("pay", flaky)

    report = env.assert_resume_safe(tries, setup=calls.clear)
    assert report.commits == ("the failure of an attempt", "the record of step 'pay'", "the completion")


def test_a_step_that_varies_is_given_the_first_runs_value(env: Env, app: Tollway) -> None:
    drawn: list[str] = []

    def draw() -> str:
        drawn.append(uuid4().hex)
        return drawn[-1]

    @app.workflow
    async def ticket(ctx: Context) -> str:
        number = await ctx.step("draw", draw)
        return f"ticket {number}"

    report = env.assert_resume_safe(ticket, varies=["draw"])
    assert report.result == f"ticket {drawn[0]}"
    assert len(set(drawn)) == len(drawn) > 5


def test_as_many_kills_as_are_wanted(env: Env, app: Tollway) -> None:
    @app.workflow
    async def counts(ctx: Context) -> None:
        for number in range(5):
            await ctx.step(f"step {number}", lambda: None)

    report = env.assert_resume_safe(counts, max_kills=3)
    assert [(kill.commit, kill.moment) for kill in report.kills] == [
        ("the record of step 'step 0'", "before"),
        ("the record of step 'step 3'", "before"),
        ("the completion", "after"),
    ]
    assert len(report.commits) == 6


def test_a_finally_that_a_power_cut_would_skip_does_not_run(env: Env, app: Tollway) -> None:
    """Without the kill's freezing of handlers, both would run twice in a killed run."""
    ends: list[str] = []

    @app.workflow
    async def tidies(ctx: Context) -> None:
        try:
            await ctx.step("only", lambda: None)
        finally:
            ends.append("async")

    @app.workflow
    def tidies_sync(ctx: SyncContext) -> None:
        try:
            ctx.step("only", lambda: None)
        finally:
            ends.append("sync")

    for workflow in (tidies, tidies_sync):
        ends.clear()
        report = env.assert_resume_safe(workflow)
        # two runs without a kill; those killed at the step end once, those killed at the completion twice
        assert len(ends) == 2 + len(report.kills) + 1


def test_the_apps_and_the_test_are_back_on_their_database(env: Env, app: Tollway) -> None:
    before = env.db

    @app.workflow
    async def trivial(ctx: Context) -> str:
        return "done"

    env.assert_resume_safe(trivial)
    assert env.db is before
    assert app.dsn == before.dsn
    assert before.one("select count(*) from absurd.task") == 0
    assert env.run(trivial) == "done"


def test_a_name_of_no_step_is_refused(env: Env, app: Tollway) -> None:
    @app.workflow
    async def trivial(ctx: Context) -> None:
        await ctx.step("real", lambda: None)

    with pytest.raises(InvalidOption, match="strict names 'reel'"):
        env.assert_resume_safe(trivial, strict=["reel"])


def test_it_works_in_an_asynchronous_test(env: Env, app: Tollway) -> None:
    @app.workflow
    async def trivial(ctx: Context) -> int:
        return await ctx.step("one", lambda: 1)

    async def scenario() -> None:
        with pytest.raises(InvalidOption, match="inside a running event loop"):
            env.assert_resume_safe(trivial)
        assert (await asyncio.to_thread(env.assert_resume_safe, trivial)).result == 1

    asyncio.run(scenario())


def test_a_workflow_that_starts_its_own_successor_is_followed_to_its_own_end(env: Env, app: Tollway) -> None:
    """The successor begins at once, and sleeps; its own successor would be the next of a chain without an end."""

    @app.workflow
    async def poll(ctx: Context, number: int) -> int:
        await ctx.sleep(timedelta(hours=1))
        seen = await ctx.step("look", lambda: number * 10)
        await ctx.start_child(poll, number + 1, detached=True)
        return seen

    report = env.assert_resume_safe(
        poll, 1, check=lambda db: db.rows("select state from absurd.task order by task_id") == [("completed",), ("sleeping",)]
    )

    assert report.result == 10
    assert "the start of child 'poll#1'" in report.commits
