"""What foreign clients rely on about claims and runs, as far as tests/sql does not say it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import NOBODY, Q, at, await_event, claim, claim_one, complete, emit, expect_error, fail, one, run, running, spawn, state

R = """select state, claimed_by, claim_expires_at, available_at, wake_event, event_payload, started_at, attempt
       from absurd.r_q where run_id = %s"""


def woken(db: Database) -> Any:
    """A run that an event woke, claimed again at the second second."""
    task = running(db)
    await_event(db, task)
    db.clock.set(at(1))
    emit(db)
    db.clock.set(at(2))
    return claim_one(db)


def test_a_resumed_run_keeps_its_payload_and_overwrites_its_start(db: Database) -> None:
    task = woken(db)
    claimed = one(db, R, task["run_id"])

    assert (claimed["event_payload"], claimed["wake_event"]) == ("payload", None)
    assert (claimed["started_at"], claimed["available_at"], claimed["claim_expires_at"]) == (at(2), at(2), at(32))
    run(db, "select absurd.schedule_run(%s, %s, %s)", Q, task["run_id"], at(9))
    asleep = one(db, R, task["run_id"])
    assert (asleep["state"], asleep["event_payload"], asleep["wake_event"], asleep["started_at"]) == ("sleeping", "payload", None, at(2))
    assert (asleep["claimed_by"], asleep["claim_expires_at"], asleep["available_at"], asleep["attempt"]) == (None, None, at(9), 1)


def test_an_ended_run_keeps_its_lease_but_not_what_woke_it(db: Database) -> None:
    """A difference: the payload is in the step, once."""
    task = woken(db)
    complete(db, task)

    ended = one(db, R, task["run_id"])
    assert (ended["state"], ended["claimed_by"], ended["claim_expires_at"]) == ("completed", "w1", at(32))
    assert (ended["event_payload"], ended["wake_event"]) == (None, None)


def test_a_run_whose_wait_timed_out_keeps_the_events_name_while_it_runs(db: Database) -> None:
    task = running(db)
    await_event(db, task, timeout=1)
    db.clock.set(at(1))
    again = claim_one(db)

    assert again["run_id"] == task["run_id"]
    assert one(db, R, task["run_id"])["wake_event"] == "e"
    assert run(db, "select * from absurd.w_q") == []


def test_a_cancelled_run_tells_its_last_start_not_what_it_waited_for(db: Database) -> None:
    task = running(db)
    await_event(db, task, timeout=9)
    run(db, "select absurd.cancel_task(%s, %s)", Q, task["task_id"])

    over = one(db, R, task["run_id"])
    assert (over["state"], over["wake_event"], over["available_at"], over["claimed_by"]) == ("cancelled", None, at(0), None)


def test_a_claim_is_told_in_the_order_of_the_times_before_it(db: Database) -> None:
    for second in (3, 1, 2):
        db.clock.set(at(second))
        spawn(db, name=f"at {second}")
    db.clock.set(at(5))
    told = run(db, "select task_name from absurd.claim_task('q', 'w', 30, 5)")

    assert [row["task_name"] for row in told] == ["at 1", "at 2", "at 3"]


def test_an_open_claim_is_skipped_by_another(db: Database) -> None:
    spawn(db)
    other = db.connect(autocommit=False)
    assert other.execute("select task_id from absurd.claim_task('q', 'a')").fetchall()

    db.conn.execute("set lock_timeout = '2s'")
    assert claim(db, qty=5) == []
    other.rollback()
    assert len(claim(db, qty=5)) == 1


def test_a_sweep_says_whose_lease_ran_out_and_when(db: Database) -> None:
    running(db, max_attempts=1)
    db.clock.set(at(31))
    assert claim(db) == []

    assert one(db, "select failure_reason, claimed_by, claim_expires_at, failed_at from absurd.r_q") == {
        "failure_reason": {
            "name": "$ClaimTimeout", "message": "worker did not finish task within claim interval", "workerId": "w1",
            "claimExpiredAt": one(db, "select to_jsonb(%s::timestamptz) as at", at(30))["at"], "attempt": 1,
        },
        "claimed_by": "w1", "claim_expires_at": at(30), "failed_at": at(31),
    }  # fmt: skip


def test_a_lease_is_extended_from_now_and_may_become_shorter(db: Database) -> None:
    task = running(db)
    run(db, "select absurd.extend_claim(%s, %s, 5)", Q, task["run_id"])
    assert one(db, R, task["run_id"])["claim_expires_at"] == at(5)
    db.clock.set(at(20))
    run(db, "select absurd.extend_claim(%s, %s, 5)", Q, task["run_id"])

    assert one(db, R, task["run_id"])["claim_expires_at"] == at(25)
    assert claim(db) == []


@pytest.mark.parametrize("by", [None, 0, -1])
def test_how_long_is_checked_before_which_run(db: Database, by: int | None) -> None:
    with expect_error("P0001", "extend_by must be > 0"):
        run(db, "select absurd.extend_claim(%s, %s, %s)", Q, NOBODY, by)


def test_a_run_id_is_no_task(db: Database) -> None:
    task = running(db)
    with expect_error("P0001", f'Task "{task["run_id"]}" not found in queue "q"'):
        run(db, "select absurd.cancel_task(%s, %s)", Q, task["run_id"])


def test_an_id_is_printed_in_lower_case(db: Database) -> None:
    with expect_error("P0001", f'Task "{str(NOBODY).replace("7", "a").lower()}" not found in queue "q"'):
        run(db, "select absurd.cancel_task(%s, %s)", Q, str(NOBODY).replace("7", "A"))


def test_a_failure_without_a_reason_and_without_another_attempt(db: Database) -> None:
    """The retry time is ignored when no attempt is left, and so is max_duration."""
    task = running(db, max_attempts=1, cancellation={"max_duration": 5})
    run(db, "select absurd.fail_run(%s, %s, null, %s)", Q, task["run_id"], at(60))

    assert state(db, task["task_id"]) == "failed"
    assert one(db, "select state, failure_reason from absurd.get_task_result(%s, %s)", Q, task["task_id"]) == {
        "state": "failed", "failure_reason": None,
    }  # fmt: skip


def test_the_newest_run_is_the_tasks_last_also_before_it_starts(db: Database) -> None:
    task = running(db)
    fail(db, task, retry_at=at(60))
    told = one(db, "select attempts, last_attempt_run, state from absurd.t_q")
    second = one(db, "select run_id, state, started_at, claimed_by, created_at, available_at from absurd.r_q where attempt = 2")

    assert told == {"attempts": 2, "last_attempt_run": second["run_id"], "state": "sleeping"}
    assert list(second.values())[1:] == ["sleeping", None, None, at(0), at(60)]


@pytest.mark.parametrize("retry_at", [at(0), at(-5)])
def test_a_retry_that_is_due_is_pending(db: Database, retry_at: datetime) -> None:
    task = running(db)
    fail(db, task, retry_at=retry_at)

    assert one(db, "select state, available_at from absurd.r_q where attempt = 2") == {"state": "pending", "available_at": at(0)}


def test_a_retry_by_hand_keeps_when_it_was_queued(db: Database) -> None:
    task = running(db, max_attempts=1, idempotency_key="k", headers={"a": 1})
    fail(db, task)
    db.clock.set(at(9))
    again = one(db, "select * from absurd.retry_task(%s, %s)", Q, task["task_id"])

    assert (again["task_id"], again["attempt"], again["created"]) == (task["task_id"], 2, False)
    told = one(db, "select state, attempts, max_attempts, enqueue_at, last_attempt_run, cancelled_at, idempotency_key from absurd.t_q")
    assert list(told.values()) == ["pending", 2, 2, at(0), again["run_id"], None, "k"]
    assert one(db, R, again["run_id"])["available_at"] == at(9)


def test_a_retry_as_a_new_task_has_no_key_and_no_nulls(db: Database) -> None:
    given = {
        "headers": {"a": None, "b": {"c": None, "d": 1}},
        "idempotency_key": "k",
        "retry_strategy": {"kind": "none"},
        "max_attempts": 1,
    }
    task = running(db, **given)
    fail(db, task)
    new = one(db, 'select * from absurd.retry_task(%s, %s, \'{"spawn_new": true, "max_attempts": 3}\')', Q, task["task_id"])

    assert (new["created"], new["attempt"]) == (True, 1)
    assert new["task_id"] != task["task_id"]
    kept = one(
        db, "select headers, idempotency_key, retry_strategy, max_attempts, params from absurd.t_q where task_id = %s", new["task_id"]
    )
    assert kept == {"headers": {"b": {"d": 1}}, "idempotency_key": None, "retry_strategy": {"kind": "none"}, "max_attempts": 3, "params": 1}


@pytest.mark.parametrize(("given", "code"), [('"2"', None), ("1.5", "22P02"), ('"two"', "22P02"), ("null", None)])
def test_attempts_are_a_whole_number_or_the_text_of_one(db: Database, given: str, code: str | None) -> None:
    spawn = "select * from absurd.spawn_task('q', 'work', '1', %s)"
    if code:
        with expect_error(code):
            run(db, spawn, f'{{"max_attempts": {given}}}')
        return
    run(db, spawn, f'{{"max_attempts": {given}}}')

    value = json.loads(given)
    assert one(db, "select max_attempts from absurd.t_q")["max_attempts"] == (None if value is None else int(value))


@pytest.mark.parametrize("seconds", ["5", '"5"'])
@pytest.mark.parametrize("rule", ["max_delay", "max_duration"])
def test_a_rule_is_a_whole_number_or_the_text_of_one(db: Database, rule: str, seconds: str) -> None:
    task = run(db, "select task_id from absurd.spawn_task('q', 'work', '1', %s)", f'{{"cancellation": {{"{rule}": {seconds}}}}}')[0][
        "task_id"
    ]
    if rule == "max_duration":
        run(db, "select absurd.schedule_run('q', %s, 'infinity')", claim_one(db)["run_id"])
    db.clock.set(at(4.9))
    assert claim(db, qty=1) == [] or rule == "max_delay"
    if rule == "max_duration":
        db.clock.set(at(5))
        assert claim(db) == []
        assert state(db, task) == "cancelled"


def test_a_known_key_answers_with_the_tasks_current_run(db: Database) -> None:
    task = running(db, idempotency_key="k")
    fail(db, task, retry_at=at(60))
    current = one(db, "select last_attempt_run, attempts from absurd.t_q")
    again = one(db, "select * from absurd.spawn_task('q', 'other', '2', '{\"idempotency_key\": \"k\", \"max_attempts\": 9}')")

    assert again == {
        "task_id": task["task_id"], "run_id": current["last_attempt_run"], "attempt": current["attempts"], "created": False,
    }  # fmt: skip
    assert (current["attempts"], again["run_id"] == task["run_id"]) == (2, False)
