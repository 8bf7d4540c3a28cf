"""absurd-sdk for TypeScript, unmodified, does on this engine what its users know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from fixtures.node import NodeError
from fixtures.waiting import until


def test_steps_are_saved_and_their_result_is_awaited(db: Database, driver: Any) -> None:
    driver.startWorker()
    task = driver.spawn("steps", {"n": 1}, {"headers": {"trace": "t1"}})

    ended = driver.result(task)

    first = {"n": 1, "käse": [None, "ü", 1.5]}
    headers = {"trace": "t1", "spawned": "steps"}
    assert ended == {
        "state": "completed",
        "result": {"first": first, "again": [1, 2], "parts": {"done": False}, "headers": headers, "task": task["taskID"]},
    }
    saved = dict(db.rows("select checkpoint_name, state from absurd.checkpoint"))
    assert saved == {"first": first, "again": 1, "again#2": 2, "decomposed": {"done": False}}
    assert db.verify() == []


def states(db: Database, task: dict[str, Any]) -> list[str]:
    """The moves of a task, as the log tells them."""
    return [event for (event,) in db.rows("select event from absurd.absurd_event_log where task_id = %s order by log_id", task["taskID"])]


def status(db: Database, task: dict[str, Any]) -> Any:
    return db.one("select status from absurd.workflow_run where workflow_run_id = %s", task["taskID"])


def until_the_log_says(db: Database, task: dict[str, Any], event: str) -> None:
    until(lambda: event in states(db, task), f"{event} in the log of {task['taskID']}")


def test_a_retry_goes_on_from_the_saved_steps(db: Database, driver: Any) -> None:
    driver.startWorker()
    task = driver.spawn("steps", {"n": 1, "fallAfter": 3})
    ended = driver.result(task)

    assert ended["state"] == "failed"
    assert ended["failure"]["message"] == "fell after its steps"
    assert driver.seen() == {"started": 3, "beats": 0, "steps": 3, "errors": []}
    assert states(db, task) == ["task.spawned", *["run.claimed", "run.retried"] * 2, "run.claimed", "run.failed"]
    assert status(db, task) == "failed"
    assert db.verify() == []


def test_a_failed_task_is_retried_by_hand(db: Database, driver: Any) -> None:
    driver.startWorker()
    failed = driver.spawn("fails", {"message": "why"}, {"maxAttempts": 1})
    assert driver.result(failed)["failure"]["message"] == "why"

    again = driver.retryTask(failed["taskID"], {"maxAttempts": 2})
    assert (again["taskID"], again["attempt"], again["created"]) == (failed["taskID"], 2, False)
    assert driver.result(again)["state"] == "failed"
    new = driver.retryTask(failed["taskID"], {"spawnNewTask": True})
    assert new["created"]
    assert driver.result(new)["state"] == "failed"
    assert db.verify() == []


def test_a_retry_waits_as_its_strategy_says(db: Database, driver: Any) -> None:
    db.clock.freeze()
    strategy = {"kind": "exponential", "baseSeconds": 10, "factor": 3, "maxSeconds": 20}
    task = driver.spawn("fails", {"message": "why"}, {"retryStrategy": strategy, "maxAttempts": 3})
    for delay in (10, 20):
        driver.workBatch("w", 60, 1)
        assert db.one("select available_at - absurd.current_time() from absurd.task") == timedelta(seconds=delay)
        db.clock.advance(timedelta(seconds=delay))
    driver.workBatch("w", 60, 1)

    assert driver.fetchTaskResult(task["taskID"])["failure"]["message"] == "why"
    assert db.verify() == []


def test_a_sleep_ends_on_the_databases_clock_and_the_sdks(db: Database, driver: Any) -> None:
    driver.startWorker()
    task = driver.spawn("sleeps", {"seconds": 0.3})

    assert driver.result(task) == {"state": "completed", "result": "awake"}
    assert states(db, task)[:3] == ["task.spawned", "run.claimed", "run.suspended"]
    assert db.verify() == []


def test_an_event_wakes_and_the_first_emission_wins(db: Database, driver: Any) -> None:
    driver.startWorker()
    task = driver.spawn("waits", {"event": "packed"})
    until_the_log_says(db, task, "run.suspended")
    emitting = driver.spawn("emits", {"event": "packed", "payload": {"n": [1, None]}})
    ended = driver.result(task)
    driver.emitEvent("packed", "too late")
    late = driver.spawn("waits", {"event": "packed"})

    assert ended == driver.result(late) == {"state": "completed", "result": {"payload": {"n": [1, None]}}}
    assert driver.result(emitting)["state"] == "completed"
    assert status(db, task) == "completed"
    assert db.verify() == []


def test_a_wait_times_out(db: Database, driver: Any) -> None:
    db.clock.freeze()
    task = driver.spawn("waits", {"event": "never", "options": {"timeout": 60, "stepName": "patience"}})
    driver.workBatch("w", 60, 1)
    assert driver.fetchTaskResult(task["taskID"]) == {"state": "sleeping"}
    db.clock.advance(timedelta(seconds=60))
    driver.workBatch("w", 60, 1)

    assert driver.result(task)["result"] == {"timedOut": 'Timed out waiting for event "never"'}
    assert db.rows("select 1 from absurd.wait") == []
    assert db.verify() == []


def test_heartbeats_hold_a_lease_and_a_cancelled_task_stops(db: Database, driver: Any) -> None:
    driver.startWorker({"claimTimeout": 30})
    task = driver.spawn("holds", {"seconds": 500})
    until(lambda: driver.seen()["beats"] > 1, "two heartbeats")
    assert db.one("select claim_expires_at > absurd.current_time() + interval '400 s' from absurd.task")
    driver.cancelTask(task["taskID"])

    assert driver.result(task) == {"state": "cancelled"}
    driver.closeWorker()  # it waits for the handler, which its next heartbeat has ended
    assert driver.seen()["errors"] == []
    assert states(db, task) == ["task.spawned", "run.claimed", "task.cancelled"]
    assert status(db, task) == "cancelled"
    assert db.verify() == []


def test_a_parent_awaits_a_child_of_another_queue(db: Database, driver: Any) -> None:
    driver.createQueue("children")
    driver.startWorker()
    driver.on("children").startWorker()
    ended = driver.result(driver.spawn("parent", {"queue": "children"}))

    assert ended["result"]["state"] == "completed"
    assert ended["result"]["result"]["first"]["n"] == 7
    assert db.verify() == []


def test_a_key_makes_a_spawn_repeatable(db: Database, driver: Any) -> None:
    first = driver.spawn("steps", {"n": 1}, {"idempotencyKey": "k"})
    second = driver.spawn("steps", {"n": 2}, {"idempotencyKey": "k"})

    assert (first["created"], second["created"]) == (True, False)
    assert second | {"created": True} == first
    assert db.one("select params from absurd.task") == {"n": 1}


def test_a_spawn_joins_the_callers_transaction(db: Database, driver: Any) -> None:
    driver.spawnIn("rollback", "steps", {"n": 1})
    kept = driver.spawnIn("commit", "steps", {"n": 2})

    assert db.rows("select task_id::text from absurd.task") == [(kept["taskID"],)]
    assert states(db, kept) == ["task.spawned"]
    assert db.verify() == []


def test_cancellation_rules_and_defaults_are_stored(db: Database, driver: Any) -> None:
    db.clock.freeze()
    task = driver.spawn("steps", {"n": 1}, {"cancellation": {"maxDelay": 60, "maxDuration": 3600}})
    assert db.one("select max_attempts, cancellation from absurd.t_default") == (3, {"max_delay": 60, "max_duration": 3600})
    db.clock.advance(timedelta(seconds=61))
    driver.workBatch("w", 60, 1)

    assert driver.fetchTaskResult(task["taskID"]) == {"state": "cancelled"}
    assert driver.seen()["started"] == 0
    assert status(db, task) == "cancelled"
    assert db.verify() == []


def test_a_claim_has_the_columns_that_the_sdk_reads(db: Database, driver: Any) -> None:
    task = driver.spawn("steps", {"n": 1}, {"retryStrategy": {"kind": "fixed", "baseSeconds": 5}})
    (claimed,) = driver.claimTasks({"batchSize": 5, "claimTimeout": 9, "workerId": "me"})

    assert claimed == {
        "run_id": task["runID"], "task_id": task["taskID"], "attempt": 1, "task_name": "steps", "params": {"n": 1},
        "retry_strategy": {"kind": "fixed", "base_seconds": 5}, "max_attempts": 3, "headers": {"spawned": "steps"},
        "wake_event": None, "event_payload": None,
    }  # fmt: skip


def test_an_unknown_task_is_put_back_not_failed(db: Database, driver: Any) -> None:
    task = driver.spawn("elsewhere", {}, {"queue": "default"})
    driver.workBatch("w", 60, 1)

    assert driver.fetchTaskResult(task["taskID"]) == {"state": "sleeping"}
    assert states(db, task) == ["task.spawned", "run.claimed", "run.suspended"]
    assert db.one("select available_at - absurd.current_time() between interval '14 s' and interval '30 s' from absurd.task")


def test_a_lease_that_ran_out_belongs_to_the_next_worker(db: Database, driver: Any) -> None:
    """The first worker's answer is refused as the SDK expects it: FailedTask, nothing thrown."""
    db.clock.freeze()
    task = driver.spawn("steps", {"n": 1})
    (claimed,) = driver.claimTasks({"claimTimeout": 10})
    db.clock.advance(timedelta(seconds=11))
    driver.workBatch("second", 60, 1)
    driver.executeTask(claimed, 10)

    assert driver.result(task)["state"] == "completed"
    assert states(db, task) == ["task.spawned", "run.claimed", "run.retried", "run.claimed", "run.completed"]
    assert db.verify() == []


def test_queues_are_made_listed_kept_and_dropped(db: Database, driver: Any) -> None:
    driver.createQueue("parted", {"storageMode": "partitioned", "cleanupTtl": "2 days", "detachMode": "empty"})
    driver.setQueuePolicy("parted", {"cleanupLimit": 7, "partitionLookahead": "3 days"})

    assert driver.listQueues() == ["default", "parted"]
    assert driver.getQueuePolicy("nowhere") is None
    assert driver.getQueuePolicy("parted") == {
        "queueName": "parted", "storageMode": "partitioned", "partitionLookahead": "3 days", "partitionLookback": "1 day",
        "cleanupTtl": "2 days", "cleanupLimit": 7, "detachMode": "empty", "detachMinAge": "30 days",
    }  # fmt: skip
    driver.on("parted").startWorker()
    assert driver.on("parted").result(driver.on("parted").spawn("steps", {"n": 1}))["state"] == "completed"
    driver.on("parted").closeWorker()
    driver.dropQueue("parted")
    assert driver.listQueues() == ["default"]
    assert db.verify() == []


def test_what_is_refused_is_refused_with_the_code(driver: Any) -> None:
    for call, code in (
        (lambda: driver.cancelTask("00000000-0000-7000-8000-000000000000"), "P0001"),
        (lambda: driver.on("nowhere").spawn("steps", {}), "42P01"),
        (lambda: driver.spawn("steps", {}, {"retryStrategy": {"kind": "sometimes"}}), "AB003"),
        (lambda: driver.spawn("steps", {}, {"maxAttempts": 0}), "P0001"),
    ):
        with pytest.raises(NodeError) as refused:
            call()
        assert refused.value.code == code
    assert driver.fetchTaskResult("00000000-0000-7000-8000-000000000000") is None
