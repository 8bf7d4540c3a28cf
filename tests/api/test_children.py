"""Children: exactly once, awaited without a slot, ended with their parent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api import cases as asynchronous
from api.test_steps import result_of
from tollway import Context, Tollway
from tollway.errors import TaskFailed
from worker.harness import Database, eventually, run, work_off, working


def test_children_run_and_their_results_come_in_order(app: Tollway, look: Database, cases: Any) -> None:
    assert result_of(app, cases.family(app, lambda n: n * 100)) == [100, 200, 300]
    assert look.one("select count(*) from absurd.task where task_name = 'grown'") == 3
    assert look.one("select count(distinct workflow_run_id) from absurd.task") == 1


@pytest.mark.parametrize("catches", [True, False])
def test_a_childs_failure_is_the_parents_to_handle(app: Tollway, look: Database, cases: Any, catches: bool) -> None:
    notes: list[Any] = []
    workflow = cases.failing_child(app, notes)
    if catches:
        assert result_of(app, workflow, catches) == "went on"
    else:
        with pytest.raises(TaskFailed, match=r"ChildFailed: child fails#1 .* failed: OSError: no luck"):
            result_of(app, workflow, catches)
    assert set(notes) == {("failed", "OSError")}
    assert look.one("select attempt from absurd.task where task_name = 'parent'") == 1, "a recorded failure is not met again"


@pytest.mark.parametrize("detached", [True, False])
def test_a_child_that_takes_too_long(app: Tollway, look: Database, cases: Any, db: Any, detached: bool) -> None:
    workflow = cases.impatient(app)

    async def scenario() -> None:
        handle = await app.start(workflow, detached)
        await work_off(app)
        db.clock.advance(timedelta(seconds=61))
        await work_off(app)
        assert await handle.result(timeout=5) == "timed out"
        assert look.one("select state from absurd.task where task_name = 'never'") == "sleeping"

    run(scenario())


@pytest.mark.parametrize("detached", [True, False])
def test_cancelling_the_parent_cancels_children_unless_detached(app: Tollway, look: Database, cases: Any, detached: bool) -> None:
    workflow = cases.impatient(app)

    async def scenario() -> None:
        handle = await app.start(workflow, detached)
        await work_off(app)
        look.rows("select absurd.cancel_task('default', %s)", handle.id)
        await work_off(app)
        child = look.one("select state from absurd.task where task_name = 'never'")
        assert child == ("sleeping" if detached else "cancelled")

    run(scenario())


def test_fifty_generations_end_with_a_single_slot(app: Tollway, look: Database, cases: Any) -> None:
    workflow = cases.nested(app)

    async def scenario() -> None:
        handle = await app.start(workflow, 50)
        await work_off(app, concurrency=1)
        assert await handle.result(timeout=5) == 50

    run(scenario())


def test_a_thousand_waiting_parents_leave_the_only_slot_free(app: Tollway, look: Database) -> None:
    """Each parent waits for a child of a queue that nobody works: a new task still runs."""
    asynchronous.impatient(app)
    look.rows("select absurd.create_queue('elsewhere')")

    @app.workflow
    async def fans_out(ctx: Context) -> str:
        child = await ctx.start_child("never", queue="elsewhere")
        await child.result()
        return "ended"

    @app.workflow
    async def quick(ctx: Context) -> str:
        return "ran"

    async def scenario() -> None:
        await app.start_many(fans_out, [{}] * 1000)
        async with working(app, concurrency=1):
            waiting = "select count(*) = 1000 from absurd.task where task_name = 'fans_out' and state = 'sleeping'"
            await eventually(lambda: asyncio.sleep(0, look.one(waiting)), within=100)
            handle = await app.start(quick)
            assert await handle.result(timeout=20) == "ran"
        assert look.one("select count(*) from absurd.task where queue_name = 'elsewhere'") == 1000

    run(scenario(), within=120)
