"""What a crash would harm is found, with the place and the cause; and without the part that finds it, it is not."""

from __future__ import annotations

from typing import Any

import pytest

from testing import unsafe
from tollway import Context, Tollway
from tollway.errors import TaskFailed
from tollway.testing import Env, TaskStuck, TestDatabase
from tollway.testing.resume import check, mortal, replay, snapshot


def verdict(env: Env, app: Tollway, make: unsafe.Make, **options: Any) -> str:
    """The error's text; empty when nothing is found."""
    kept = unsafe.Globals()
    workflow = make(app, kept)
    given = options.pop("setup", lambda database: None)

    def setup(database: TestDatabase) -> None:
        kept.reset(database)
        given(database)

    try:
        env.assert_resume_safe(workflow, setup=setup, **options)
    except AssertionError as error:
        return str(error)
    return ""


CASES: list[tuple[unsafe.Make, list[str]]] = [
    (unsafe.random_result, ["'lottery' gives another outcome each time, even if nobody kills it", "the result is 0.", "ctx.random()"]),
    (
        unsafe.counter_in_result,
        ["killed right before the record of step 'only' was committed", "the result is 1;", "nobody killed, 0", "outside of a step"],
    ),
    (unsafe.counter_in_result_sync, ["the result is 1; of the run that nobody killed, 0"]),
    (unsafe.counter_as_argument, ["step 'first' was given argument 1 = {'number': 1}; before, {'number': 0}", "ctx.now()"]),
    (unsafe.counter_closed_over, ["step 'first' was given variable 'number' = 1; before, 0"]),
    (unsafe.other_order, ["the workflow asked for step 'right', where it had asked for step 'left'", "same order"]),
    (unsafe.fewer_steps, ["ended without asking for step 'only at first'"]),
    (unsafe.random_name, ["asked for step 'step 1', where it had asked for step 'step 0'"]),
    (unsafe.random_value, ["even if nobody kills it", "step 'draw' recorded 0.", "varies=[...]"]),
    (unsafe.counted_value, ["killed right before the record of step 'number'", "recorded 1; in the run that nobody killed, 0"]),
    (unsafe.starts_twice, ["workflow 'mail' (2) was started, unlike", "idempotency_key=ctx.idempotency_key(step)"]),
    (unsafe.one_attempt, ["the task is failed ($ClaimTimeout: ", "nobody killed, completed", "max_attempts"]),
    # the second worker has the task only because the first one's lease ran out: that is a failed attempt
    (unsafe.attempt_in_result, ["killed right before the completion", "the result is 2; of the run that nobody killed, 1"]),
    (unsafe.waits_after_a_crash, ["'waits' waits for event 'rescue'", "the task is sleeping; in the run that nobody killed, completed"]),
]


@pytest.mark.parametrize(("make", "said"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_it_is_found(env: Env, app: Tollway, make: unsafe.Make, said: list[str]) -> None:
    text = verdict(env, app, make)

    assert [part for part in said if part not in text] == [], text


def charged_once(database: TestDatabase) -> None:
    charges = database.one("select count(*) from charged")
    assert charges == 1, f"the card was charged {charges} times"


def make_table(database: TestDatabase) -> None:
    database.conn.execute("create table charged (at timestamptz default now())")


def test_an_effect_that_happened_twice_is_found_by_the_users_check(env: Env, app: Tollway) -> None:
    text = verdict(env, app, unsafe.charges_twice, setup=make_table, check=charged_once)

    assert "killed right before the record of step 'charge' was committed" in text
    assert "bodies that ran again: 'charge' (2 times)" in text
    assert "check() fails: the card was charged 2 times" in text
    assert "ctx.transaction" in text


def test_a_check_that_fails_without_a_kill_says_so(env: Env, app: Tollway) -> None:
    text = verdict(env, app, unsafe.charges_twice, setup=make_table, check=lambda: False)
    assert "'pays' is wrong even if nobody kills it\n  - check() returned False" in text


def test_a_strict_step_must_not_run_twice(env: Env, app: Tollway) -> None:
    text = verdict(env, app, unsafe.charges_twice, setup=make_table, strict=["charge"])
    assert "the body of step 'charge' ran 2 times" in text
    assert "use ctx.transaction" in text


def test_a_record_made_twice_is_found(env: Env, app: Tollway) -> None:
    assert "step 'first' was recorded 2 times" in verdict(env, app, unsafe.forgets_a_record)


def test_what_verify_finds_is_told(env: Env, app: Tollway) -> None:
    def break_gate(database: TestDatabase) -> None:
        database.conn.execute("alter table absurd.checkpoint disable trigger all")

    assert "even if nobody kills it\n  - verify() finds " in verdict(env, app, unsafe.counter_as_argument, setup=break_gate)


def test_what_fails_by_itself_is_no_matter_of_crashes(env: Env, app: Tollway) -> None:
    @app.workflow(max_attempts=1)
    async def fails(ctx: Context) -> None:
        raise ValueError("no stock")

    @app.workflow
    async def waits(ctx: Context) -> None:
        await ctx.wait_for_event("never")

    with pytest.raises(TaskFailed, match="no stock"):
        env.assert_resume_safe(fails)
    with pytest.raises(TaskStuck, match="event 'never'"):
        env.assert_resume_safe(waits)


# -- each part is needed: without it, the same workflow passes ----------------------------------------------------


@pytest.mark.parametrize("make", [unsafe.counter_as_argument, unsafe.counter_closed_over, unsafe.other_order])
def test_without_the_comparison_of_executions_it_is_not_found(
    env: Env, app: Tollway, monkeypatch: pytest.MonkeyPatch, make: unsafe.Make
) -> None:
    monkeypatch.setattr(replay, "disagreements", lambda recorder: [])
    assert verdict(env, app, make) == ""


@pytest.mark.parametrize("make", [unsafe.counter_in_result, unsafe.counted_value, unsafe.starts_twice])
def test_without_the_comparison_of_ends_it_is_not_found(env: Env, app: Tollway, monkeypatch: pytest.MonkeyPatch, make: unsafe.Make) -> None:
    monkeypatch.setattr(snapshot, "compare", lambda reference, now: [])
    assert verdict(env, app, make) == ""


def test_without_kills_before_a_commit_a_body_that_runs_twice_is_not_found(env: Env, app: Tollway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "BEFORE", check.AFTER)
    assert verdict(env, app, unsafe.charges_twice, setup=make_table, check=charged_once) == ""


def test_a_kill_that_does_not_happen_is_found(env: Env, app: Tollway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mortal.Fuse, "_blow", lambda self: None)
    assert "never came to the record of step 'first', at which it was to be killed" in verdict(env, app, unsafe.counter_as_argument)
