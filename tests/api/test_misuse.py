"""What goes wrong in the user's own code ends as it should, or with a sentence that says what to do."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import timedelta
from typing import Any

import pytest

from api import cases as asynchronous
from api.test_steps import result_of
from tollway import Context, NonRetryable, SyncContext, Tollway
from tollway.errors import TaskFailed, WrongState
from worker.harness import Database, run, work_off, working


def failure_of(app: Tollway, workflow: Any, *args: Any) -> TaskFailed:
    with pytest.raises(TaskFailed) as caught:
        result_of(app, workflow, *args)
    return caught.value


def test_a_step_in_the_body_of_a_step_is_refused(app: Tollway, look: Database, cases: Any) -> None:
    """The body runs again as a whole: its second try would meet the inner step a second time."""
    failure = failure_of(app, cases.step_in_step(app))
    assert "InvalidOption: step 'inner' begins inside the body of step 'outer'" in str(failure)


def test_the_failure_says_what_to_do(app: Tollway, look: Database, cases: Any) -> None:
    failure = failure_of(app, cases.step_in_step(app))
    hint = "a body may run again as a whole: call plain functions in it, or make both steps of the workflow."
    assert failure.reason["hint"] == hint
    assert str(failure.hint).startswith(f"{hint} See `tollway task show ")


def test_what_comes_after_branches_has_one_place_in_the_code(app: Tollway, look: Database, cases: Any, db: Any) -> None:
    late: Any = asyncio.Event() if cases is asynchronous else threading.Event()
    workflow = cases.branches_before_a_sleep(app, late)

    async def scenario() -> None:
        handle = await app.start(workflow)
        await work_off(app)
        db.clock.advance(timedelta(seconds=61))
        await work_off(app)
        assert await handle.result(timeout=5) == "woke"

    run(scenario())


def test_the_logger_speaks_again_after_a_stored_wait_and_a_transaction(
    app: Tollway, look: Database, cases: Any, db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    workflow = cases.logging_after_what_is_not_met_again(app, cases.Flaky(1))

    async def scenario() -> None:
        handle = await app.start(workflow)
        for _ in range(3):
            await work_off(app)
            db.clock.advance(timedelta(seconds=61))
        await handle.result(timeout=5)

    with caplog.at_level(logging.INFO):
        run(scenario())
    assert [r.getMessage() for r in caplog.records if r.name == "tollway.workflow.logs_on"] == ["booked", "woke"]


def test_a_partial_has_its_functions_types_and_policy(app: Tollway, look: Database, cases: Any) -> None:
    notes: list[int] = []
    assert result_of(app, cases.partial_step(app, notes)) == cases.Receipt(7, ("a",))
    assert notes == [7, 7]


def test_a_coroutine_is_no_function(app: Tollway, look: Database, cases: Any) -> None:
    async def charge() -> None: ...

    failure = failure_of(app, cases.given_no_function(app, charge()))
    assert "step 'charge' was given a coroutine, which runs only once" in str(failure)
    assert "ctx.step('charge', charge, ...)" in str(failure.hint)


def test_neither_is_a_number(app: Tollway, look: Database, cases: Any) -> None:
    assert "step 'charge' was given 5" in str(failure_of(app, cases.given_no_function(app, 5)))


def test_a_coroutine_function_is_no_step_of_a_plain_workflow(app: Tollway, look: Database) -> None:
    @app.workflow(max_attempts=1)
    def plain(ctx: SyncContext, how: str) -> None:
        async def charge() -> int:
            return 1

        (ctx.options(timeout=5) if how == "in time" else ctx).step("charge", charge)

    for how in ("at once", "in time"):
        assert "the body of step 'charge' is a coroutine function" in str(failure_of(app, plain, how))


def test_an_argument_may_be_given_by_its_name_only(app: Tollway, look: Database, cases: Any) -> None:
    assert result_of(app, cases.only_by_keyword(app), kwargs={"n": 3}) == 6


def test_bodies_with_a_timeout_do_not_wait_for_one_anothers_threads(app: Tollway, look: Database, cases: Any) -> None:
    """A pool would let them wait for their turn until their time is over."""
    assert result_of(app, cases.meeting_in_time(app, 40)) == list(range(40))


def test_the_others_of_a_map_end_when_one_is_cancelled_by_itself(app: Tollway, look: Database, cases: Any) -> None:
    assert "CancelledError" in str(failure_of(app, cases.cancelled_item(app)))
    assert look.rows("select checkpoint_name from absurd.checkpoint order by 1") == [("item[1]",), ("item[2]",)]


@pytest.mark.parametrize("seconds", [1e300, 10**400, 3_000_000_001, -0.1, float("nan")])
def test_a_sleep_of_no_duration_is_refused(app: Tollway, look: Database, cases: Any, seconds: float) -> None:
    assert "InvalidOption: the duration of a sleep is " in str(failure_of(app, cases.sleeping(app, seconds)))


# -- what only coroutines, or only threads, can do --------------------------------------------------------------------


@pytest.mark.parametrize("wait", ["sleep", "event"])
def test_a_task_group_may_wait(app: Tollway, look: Database, db: Any, wait: str) -> None:
    """It wraps what unwinds the handler; the task sleeps all the same."""

    @app.workflow(max_attempts=1)
    async def groups(ctx: Context) -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.sleep(60, name="nap") if wait == "sleep" else ctx.wait_for_event("go"))
            group.create_task(ctx.step("beside", lambda: None))
        return "woke"

    async def scenario() -> None:
        handle = await app.start(groups)
        await work_off(app)
        assert look.state(handle.id) == "sleeping"
        db.clock.advance(timedelta(seconds=61))
        await app.emit_event("go")
        await work_off(app)
        assert await handle.result(timeout=5) == "woke"

    run(scenario())


def test_a_permanent_failure_in_a_task_group_is_final(app: Tollway, look: Database) -> None:
    @app.workflow(max_attempts=5)
    async def groups(ctx: Context) -> None:
        async def gives_up() -> None:
            raise NonRetryable("the card does not exist")

        async with asyncio.TaskGroup() as group:
            group.create_task(gives_up())

    failure_of(app, groups)
    assert look.one("select attempt from absurd.task") == 1


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_what_outlives_its_workflow_runs_no_step(app: Tollway, look: Database, kind: str) -> None:
    """Its body would run, and its result be refused."""
    bodies: list[str] = []
    ended: list[BaseException] = []
    go = threading.Event()
    gone = threading.Event()

    @app.workflow
    async def leaves(ctx: Context) -> None:
        async def behind() -> None:
            await asyncio.to_thread(go.wait, 20)
            try:
                await ctx.step("late", bodies.append, "late")
            except BaseException as error:
                ended.append(error)
            gone.set()

        kept.append(asyncio.create_task(behind()))

    @app.workflow
    def leaves_sync(ctx: SyncContext) -> None:
        def behind() -> None:
            go.wait(20)
            try:
                ctx.step("late", bodies.append, "late")
            except BaseException as error:
                ended.append(error)
            gone.set()

        threading.Thread(target=behind).start()

    kept: list[asyncio.Task[None]] = []

    async def scenario() -> None:
        handle = await app.start(leaves if kind == "async" else leaves_sync)
        async with working(app):
            await handle.result(timeout=20)
            go.set()
            assert await asyncio.to_thread(gone.wait, 20)

    run(scenario())
    assert bodies == []
    assert isinstance(ended[0], WrongState)
    assert "step 'late' begins after its workflow has ended" in str(ended[0])


def test_a_context_in_another_event_loop_is_refused(app: Tollway, look: Database) -> None:
    """Its answer would come to a loop that does not hear of it."""

    @app.workflow(max_attempts=1)
    async def strays(ctx: Context) -> int:
        def other() -> int:
            return asyncio.run(ctx.step("one", lambda: 1))

        return await asyncio.to_thread(other)

    assert "ctx was used in another event loop than its workflow's" in str(failure_of(app, strays))
