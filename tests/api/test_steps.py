"""Retries, time-outs and time, and what is recorded of them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from tollway import Retry, Tollway
from tollway.errors import TaskFailed
from worker.harness import Database, run, work_off


def result_of(app: Tollway, workflow: Any, *args: Any, **options: Any) -> Any:
    """Start it, work off what is due, and return its result."""
    found: list[Any] = []

    async def scenario() -> None:
        handle = await app.start(workflow, *args, **options)
        await work_off(app)
        found.append(await handle.result(timeout=5))

    run(scenario())
    return found[0]


def test_a_step_is_tried_again_within_one_attempt(app: Tollway, look: Database, cases: Any) -> None:
    flaky = cases.Flaky(2)
    assert result_of(app, cases.retrying(app, flaky, Retry(max_attempts=3, first=0.001))) == [3, 1]


def test_the_last_failure_is_the_workflows(app: Tollway, look: Database, cases: Any) -> None:
    flaky = cases.Flaky(9)
    with pytest.raises(TaskFailed, match="OSError: no answer"):
        result_of(app, cases.retrying(app, flaky, Retry(max_attempts=3, first=0.001)))
    assert flaky.calls == 3


def test_an_error_that_cannot_be_retried_is_not(app: Tollway, look: Database, cases: Any) -> None:
    flaky = cases.Flaky(9, ValueError)
    with pytest.raises(TaskFailed):
        result_of(app, cases.retrying(app, flaky, Retry(max_attempts=3, first=0.001, non_retryable=(ValueError,))))
    assert flaky.calls == 1


def test_a_function_carries_its_own_policy(app: Tollway, look: Database, cases: Any) -> None:
    assert result_of(app, cases.marked(app, cases.Flaky(2))) == 3


def test_a_long_wait_frees_the_slot_and_is_counted_on(app: Tollway, look: Database, cases: Any, db: Any) -> None:
    """Three tries with a wait of a minute, then two: each in a worker of its own, as after a crash."""
    flaky = cases.Flaky(2)
    workflow = cases.retrying(app, flaky, Retry(max_attempts=3, first=60, factor=2, jitter=0))

    async def scenario() -> None:
        handle = await app.start(workflow)
        await work_off(app)
        assert (look.state(handle.id), flaky.calls) == ("sleeping", 1)
        db.clock.advance(timedelta(seconds=59))
        await work_off(app)
        assert flaky.calls == 1
        db.clock.advance(timedelta(seconds=2))
        await work_off(app)
        assert (look.state(handle.id), flaky.calls) == ("sleeping", 2)
        db.clock.advance(timedelta(seconds=119))
        await work_off(app)
        assert flaky.calls == 2
        db.clock.advance(timedelta(seconds=2))
        await work_off(app)
        assert await handle.result(timeout=5) == [3, 1]

    run(scenario())


def test_stored_waits_exhaust_the_policy(app: Tollway, look: Database, cases: Any, db: Any) -> None:
    flaky = cases.Flaky(9)
    workflow = cases.retrying(app, flaky, Retry(max_attempts=2, first=60, jitter=0))

    async def scenario() -> None:
        handle = await app.start(workflow)
        await work_off(app)
        db.clock.advance(timedelta(seconds=61))
        await work_off(app)
        assert look.state(handle.id) == "failed"

    run(scenario())
    assert flaky.calls == 2


def test_a_permanent_failure_ends_the_workflow(app: Tollway, look: Database, cases: Any) -> None:
    notes: list[int] = []
    with pytest.raises(TaskFailed, match="the card does not exist"):
        result_of(app, cases.permanent(app, notes))
    assert notes == [1]


def test_a_body_that_runs_too_long_is_given_up(app: Tollway, look: Database, cases: Any) -> None:
    with pytest.raises(TaskFailed, match=r"StepTimedOut: step 'slow' ran longer than 0\.02 s"):
        result_of(app, cases.too_slow(app, 0.02, 0.5))


def test_a_body_that_is_quick_enough_is_not(app: Tollway, look: Database, cases: Any) -> None:
    assert result_of(app, cases.too_slow(app, 10, 0.001)) == "done"


def test_values_from_outside_are_the_same_in_each_execution(app: Tollway, look: Database, cases: Any, db: Any) -> None:
    notes: list[Any] = []
    workflow = cases.recording(app, notes)

    async def scenario() -> None:
        handle = await app.start(workflow)
        await work_off(app)
        db.clock.advance(timedelta(seconds=61))
        await work_off(app)
        assert look.state(handle.id) == "sleeping"
        db.clock.advance(timedelta(seconds=61))
        await work_off(app)
        await handle.result(timeout=5)

    run(scenario())
    assert len(notes) == 3
    assert notes[0] == notes[1] == notes[2]
    assert notes[0][1] != notes[0][3]


def test_the_logger_does_not_repeat_itself(app: Tollway, look: Database, cases: Any, db: Any, caplog: pytest.LogCaptureFixture) -> None:
    workflow = cases.logging_one(app)

    async def scenario() -> None:
        handle = await app.start(workflow)
        await work_off(app)
        db.clock.advance(timedelta(seconds=61))
        await work_off(app)
        await handle.result(timeout=5)
        records = [r for r in caplog.records if r.name == "tollway.workflow.logs"]
        assert [r.getMessage() for r in records] == ["began", "first done", "woke"]
        assert {r.task_id for r in records} == {str(handle.id)}  # type: ignore[attr-defined]

    with caplog.at_level(logging.INFO):
        run(scenario())


def test_an_unnamed_sleep_at_another_place_is_refused(app: Tollway, look: Database, cases: Any, db: Any) -> None:
    sleeps_first = [True]
    workflow = cases.reordered(app, sleeps_first)

    async def scenario() -> None:
        handle = await app.start(workflow)
        await work_off(app)
        sleeps_first[0] = False
        db.clock.advance(timedelta(seconds=61))
        await work_off(app)
        with pytest.raises(TaskFailed, match=r"recorded as the first step, and now comes after 'new step'"):
            await handle.result(timeout=5)

    run(scenario())


def test_an_outside_service_gets_the_same_key_in_each_attempt(app: Tollway, look: Database, cases: Any) -> None:
    notes: list[str] = []
    result_of(app, cases.keyed(app, notes))
    assert notes == [f"{look.one('select task_id from absurd.task')}/pay"] * 2
