"""Retry strategies, cancel_task and retry_task: delays, limits, and the words of each refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import (
    NOBODY,
    Q,
    at,
    checkpoint,
    claim_one,
    complete,
    expect_error,
    fail,
    log,
    one,
    prepare,
    run,
    running,
    spawn,
    state,
    task_in,
)

OBJECT = "retry_strategy must be a JSON object"
NUMBER = "retry_strategy contains an invalid number"
BASE = "retry_strategy.base_seconds must be between 0 and 86400"
FACTOR = "retry_strategy.factor must be a finite non-negative number"
CAP = "retry_strategy.max_seconds must be between 0 and 86400"


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


def delay(db: Database, strategy: str | None, attempt: int = 1) -> Any:
    return db.one("select absurd.retry_delay_seconds(%s, %s)", strategy, attempt)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("null", OBJECT),
        ("[]", OBJECT),
        ("5", OBJECT),
        ('"fixed"', OBJECT),
        ('{"kind": "linear"}', 'Unsupported retry strategy kind "linear"'),
        ('{"kind": ""}', 'Unsupported retry strategy kind ""'),
        ('{"kind": "fixed", "base_seconds": "x"}', NUMBER),
        ('{"kind": "fixed", "base_seconds": {}}', NUMBER),
        ('{"kind": "fixed", "base_seconds": true}', NUMBER),
        ('{"kind": "fixed", "base_seconds": ""}', NUMBER),
        ('{"kind": "fixed", "base_seconds": -1}', BASE),
        ('{"kind": "fixed", "base_seconds": 86401}', BASE),
        ('{"kind": "fixed", "base_seconds": 1e300}', BASE),
        ('{"kind": "fixed", "base_seconds": "NaN"}', BASE),
        ('{"kind": "fixed", "base_seconds": "Infinity"}', BASE),
        ('{"kind": "exponential", "factor": -1}', FACTOR),
        ('{"kind": "exponential", "factor": "Infinity"}', FACTOR),
        ('{"kind": "exponential", "factor": "NaN"}', FACTOR),
        ('{"kind": "exponential", "factor": "x"}', NUMBER),
        ('{"kind": "exponential", "max_seconds": -1}', CAP),
        ('{"kind": "exponential", "max_seconds": 86401}', CAP),
        ('{"kind": "exponential", "max_seconds": []}', NUMBER),
        # what no double precision holds
        ('{"kind": "fixed", "base_seconds": "1e-999"}', NUMBER),
        ('{"kind": "exponential", "max_seconds": "1e-999"}', NUMBER),
        ('{"kind": "exponential", "factor": "-1e-999"}', NUMBER),
        ('{"kind": "exponential", "factor": "1%s"}' % ("0" * 400), FACTOR),
    ],
)
def test_an_invalid_strategy_is_refused_when_it_is_given(db: Database, strategy: str, message: str) -> None:
    with expect_error("AB003", message):
        delay(db, strategy)
    with expect_error("AB003", message):
        spawn(db, retry_strategy=json.loads(strategy))

    assert db.rows("select 1 from absurd.task") == []


@pytest.mark.parametrize(
    ("strategy", "attempt", "seconds"),
    [
        (None, 1, 0),
        ("{}", 1, 0),
        ('{"base_seconds": 9}', 1, 0),
        ('{"kind": "none", "base_seconds": "ignored"}', 5, 0),
        ('{"kind": "fixed"}', 1, 60),
        ('{"kind": "fixed", "factor": "ignored", "max_seconds": -1}', 1, 60),
        ('{"kind": "fixed", "base_seconds": "1.5"}', 7, 1.5),
        ('{"kind": "fixed", "base_seconds": 0}', 1, 0),
        ('{"kind": "fixed", "base_seconds": 86400}', 1, 86400),
        ('{"kind": "exponential"}', 1, 30),
        ('{"kind": "exponential"}', 4, 240),
        ('{"kind": "exponential"}', 10_000_000, 86400),
        ('{"kind": "exponential", "factor": 3, "base_seconds": 2}', 3, 18),
        ('{"kind": "exponential", "factor": 3, "base_seconds": 2, "max_seconds": 10}', 3, 10),
        ('{"kind": "exponential", "factor": 0.5, "base_seconds": 8}', 3, 2),
        ('{"kind": "exponential", "factor": 0.5}', 10_000_000, 0),
        ('{"kind": "exponential", "factor": 0}', 1, 30),
        ('{"kind": "exponential", "factor": 0}', 2, 0),
        ('{"kind": "exponential", "factor": 1}', 10_000_000, 30),
        ('{"kind": "exponential", "factor": 1e300}', 16_777_215, 86400),
        ('{"kind": "exponential", "base_seconds": 0, "factor": 1e300}', 16_777_215, 0),
    ],
)
def test_a_strategy_gives_its_delay(db: Database, strategy: str | None, attempt: int, seconds: float) -> None:
    assert delay(db, strategy, attempt) == seconds


def test_each_failure_waits_as_its_attempt_says(db: Database) -> None:
    spawn(db, retry_strategy={"kind": "exponential", "base_seconds": 10, "factor": 2, "max_seconds": 35})
    waited = []
    for _ in range(4):
        task = claim_one(db)
        before = db.one("select absurd.current_time()")
        fail(db, task)
        due = db.one("select available_at from absurd.task")
        waited.append((due - before).total_seconds())
        db.clock.set(due)

    assert waited == [10, 20, 35, 35]


def test_a_retry_time_that_has_passed_is_now(db: Database) -> None:
    task = running(db, retry_strategy={"kind": "fixed"})

    fail(db, task, retry_at=at(-100))

    assert (state(db, task["task_id"]), db.one("select available_at from absurd.task")) == ("pending", at(0))


@pytest.mark.parametrize(("limit", "after"), [(None, "pending"), (2, "pending"), (1, "failed")])
def test_attempts_are_counted_against_their_limit(db: Database, limit: int | None, after: str) -> None:
    task = running(db, **({"max_attempts": limit} if limit else {}))

    fail(db, task, retry_at=at(-1))

    assert state(db, task["task_id"]) == after


@pytest.mark.parametrize(("retry_at", "after"), [(at(49.999), "sleeping"), (at(50), "cancelled"), (at(51), "cancelled")])
def test_a_retry_that_would_begin_too_late_cancels(db: Database, retry_at: Any, after: str) -> None:
    task = running(db, cancellation={"max_duration": 50})

    fail(db, task, retry_at=retry_at)

    assert state(db, task["task_id"]) == after


@pytest.mark.parametrize("reason", [None, {"name": "E"}, [], "text"])
def test_any_reason_is_kept_with_the_run(db: Database, reason: Any) -> None:
    task = running(db, max_attempts=1)

    fail(db, task, reason)

    assert db.one("select failure_reason from absurd.r_q") == reason
    assert log(db, task["task_id"])[-1]["detail"] == {"reason": reason}


@pytest.mark.parametrize("before", ["completed", "failed", "cancelled"])
def test_cancelling_what_is_over_changes_nothing(db: Database, before: str) -> None:
    task = task_in(db, before)
    was = log(db, task["task_id"]), one(db, "select * from absurd.workflow_run")

    run(db, "select absurd.cancel_task(%s, %s)", Q, task["task_id"])

    assert (log(db, task["task_id"]), one(db, "select * from absurd.workflow_run")) == was


@pytest.mark.parametrize("call", ["cancel_task", "retry_task"])
def test_only_a_task_of_the_queue_is_found(db: Database, call: str) -> None:
    task = task_in(db, "failed")
    run(db, "select absurd.create_queue('r')")
    for queue, given in ((Q, NOBODY), (Q, task["run_id"]), ("r", task["task_id"])):
        with expect_error("P0001", f'Task "{given}" not found in queue "{queue}"'):
            run(db, f"select absurd.{call}(%s, %s)", queue, given)
    with expect_error("42P01", 'relation "absurd.t_nowhere" does not exist'):
        run(db, f"select absurd.{call}('nowhere', %s)", task["task_id"])


@pytest.mark.parametrize("before", ["pending", "running", "sleeping", "completed", "cancelled"])
@pytest.mark.parametrize("options", ["{}", '{"spawn_new": true}'])
def test_only_a_failed_task_is_retried(db: Database, before: str, options: str) -> None:
    task = task_in(db, before)

    with expect_error("P0001", f'Task "{task["task_id"]}" is not currently failed in queue "q"'):
        run(db, "select absurd.retry_task(%s, %s, %s)", Q, task["task_id"], options)

    assert state(db, task["task_id"]) == before


@pytest.mark.parametrize(
    ("limit", "options", "allowed"),
    [(1, None, 2), (1, "{}", 2), (3, "{}", 4), (None, "{}", 2), (1, '{"max_attempts": 5}', 5), (3, '{"max_attempts": 2}', 2)],
)
def test_a_retry_allows_as_many_attempts_as_it_says(db: Database, limit: int | None, options: str | None, allowed: int) -> None:
    task = running(db, **({"max_attempts": limit} if limit else {}))
    fail(db, task, retryable=False)

    row = one(db, "select * from absurd.retry_task(%s, %s, %s)", Q, task["task_id"], options)

    assert row == {
        "task_id": task["task_id"], "run_id": db.one("select last_attempt_run from absurd.t_q"), "attempt": 2, "created": False,
    }  # fmt: skip
    assert one(db, "select state, attempts, max_attempts from absurd.t_q") == {"state": "pending", "attempts": 2, "max_attempts": allowed}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ('{"max_attempts": 0}', "max_attempts must be >= 1"),
        ('{"max_attempts": 1}', "max_attempts (1) must be greater than current attempts (1)"),
    ],
)
def test_a_retry_without_room_is_refused(db: Database, options: str, message: str) -> None:
    task = task_in(db, "failed")

    with expect_error("P0001", message):
        run(db, "select absurd.retry_task(%s, %s, %s)", Q, task["task_id"], options)

    assert state(db, task["task_id"]) == "failed"


def test_a_retry_keeps_the_checkpoints(db: Database) -> None:
    task = running(db)
    checkpoint(db, task, "a", {"v": 1})
    fail(db, task, retryable=False)
    run(db, "select absurd.retry_task(%s, %s)", Q, task["task_id"])

    assert claim_one(db)["checkpoints"] == {"a": {"state": {"v": 1}, "status": "committed"}}


def test_a_retry_as_a_new_task_leaves_the_old_one(db: Database) -> None:
    task = running(db, params={"p": 1}, headers={"h": 1, "none": None}, max_attempts=3, idempotency_key="k", cancellation={"max_delay": 9})
    checkpoint(db, task)
    fail(db, task, retryable=False)

    row = one(db, """select * from absurd.retry_task(%s, %s, '{"spawn_new": true}')""", Q, task["task_id"])

    assert (row["attempt"], row["created"], row["task_id"] != task["task_id"]) == (1, True, True)
    assert state(db, task["task_id"]) == "failed"
    new = one(db, "select * from absurd.t_q where task_id = %s", row["task_id"])
    assert (new["params"], new["headers"], new["max_attempts"], new["cancellation"]) == ({"p": 1}, {"h": 1}, 3, {"max_delay": 9})
    assert new["idempotency_key"] is None
    assert db.rows("select task_id from absurd.c_q") == [(task["task_id"],)]


def test_a_failed_task_may_be_retried_again_and_again(db: Database) -> None:
    task = running(db, max_attempts=1)
    for _ in range(3):
        fail(db, task)
        run(db, "select absurd.retry_task(%s, %s)", Q, task["task_id"])
        task = claim_one(db)
    complete(db, task)

    assert [r["event"] for r in log(db, task["task_id"])].count("run.failed") == 3
    assert db.rows("select state from absurd.run order by attempt") == [("failed",)] * 3 + [("completed",)]
