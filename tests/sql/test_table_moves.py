"""Each move of the specification's table: what the log, workflow_run and task_runtime_status say right after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import (
    Q,
    Row,
    at,
    await_event,
    claim,
    claim_one,
    complete,
    emit,
    fail,
    log,
    prepare,
    running,
    spawn,
    status,
    workflow,
)

FIXED = {"kind": "fixed", "base_seconds": 60}
BY = "the session's role"


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


@dataclass(frozen=True)
class Case:
    """What a call does to a task, and what must be true after it; columns that are not named have their value at rest."""

    act: Callable[[Database], Any]
    move: tuple[str, str, str]
    via: str
    seq: int
    row: int = -1
    attempt: int = 1
    epoch: int = 1
    worker: str | None = "w1"
    detail: Any = None
    workflow: Row = field(default_factory=dict)
    status: Row = field(default_factory=dict)


def cancelled(rule: str | None, message: str) -> Row:
    return {"name": "$Cancelled", "message": message, "by": BY} | ({"rule": rule} if rule else {})


LATE = cancelled("max_delay", "it did not start within max_delay")
LONG = cancelled("max_duration", "it did not end within max_duration")
DEADLINE = cancelled("deadline", "its deadline passed")
ASKED = cancelled(None, "cancelled on request")
ORPHAN = cancelled("parent", "its parent was cancelled")
TIMED_OUT = {
    "name": "$ClaimTimeout",
    "message": "worker did not finish task within claim interval",
    "workerId": "w1",
    "claimExpiredAt": at(30).isoformat(),
    "attempt": 1,
}


def started(db: Database, **options: Any) -> Row:
    """A task claimed at T0; the clock then stands ten seconds later."""
    task = running(db, **options)
    db.clock.set(at(10))
    return task


def spawned_by_the_batch(db: Database) -> Any:
    return db.one("select task_id from absurd.spawn_tasks(%s, %s)", Q, json.dumps([{"task_name": "work", "params": 1}]))


def claimed(db: Database, **options: Any) -> Any:
    spawn(db, **options)
    db.clock.set(at(10))
    return claim_one(db)["task_id"]


def ruled(db: Database, *, begin: bool = False, rest: bool = False, **options: Any) -> Any:
    """A task that claim_task cancels by its rule, a hundred seconds later."""
    task_id = spawn(db, **options)
    if begin:
        task = claim_one(db, lease=1000)
        if rest:
            db.conn.execute("select absurd.schedule_run(%s, %s, %s)", (Q, task["run_id"], at(500)))
    db.clock.set(at(100))
    assert claim(db, worker="w2") == []
    return task_id


def swept(db: Database, **options: Any) -> Any:
    """A task whose lease has run out; a more urgent task keeps the sweeping claim from taking it at once."""
    task = running(db, **options)
    db.clock.set(at(40))
    urgent = spawn(db, priority=-1)
    assert claim_one(db, worker="w2")["task_id"] == urgent
    return task["task_id"]


def finished(db: Database) -> Any:
    task = started(db)
    complete(db, task, {"x": 1})
    return task["task_id"]


def failed(db: Database, retry_at: Any = None, *, retryable: bool = True, **options: Any) -> Any:
    task = started(db, **options)
    fail(db, task, "why", retry_at, retryable=retryable)
    return task["task_id"]


def scheduled(db: Database) -> Any:
    task = started(db)
    db.conn.execute("select absurd.schedule_run(%s, %s, %s)", (Q, task["run_id"], at(70)))
    return task["task_id"]


def suspended(db: Database, timeout: int | None = None) -> Any:
    task = started(db)
    assert await_event(db, task, timeout=timeout) == {"should_suspend": True, "payload": None}
    return task["task_id"]


def woken(db: Database) -> Any:
    task_id = suspended(db, timeout=60)
    db.clock.set(at(20))
    emit(db)
    return task_id


def stopped(db: Database, before: str) -> Any:
    delay: Row = {"delay_seconds": 500} if before == "sleeping" else {}
    task_id = spawn(db, **delay)
    if before == "running":
        claim_one(db)
    db.clock.set(at(10))
    db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, task_id))
    return task_id


def stopped_for_a_reason(db: Database) -> Any:
    task_id = spawn(db)
    db.clock.set(at(10))
    db.conn.execute("select absurd.cancel_task(%s, %s, 'customer left')", (Q, task_id))
    return task_id


def child_of_a_stopped_parent(db: Database) -> Any:
    parent = started(db)
    child = spawn(db, parent_task_id=parent["task_id"])
    db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, parent["task_id"]))
    return child


def retried(db: Database) -> Any:
    task_id = failed(db, retryable=False, cancellation={"max_duration": 5})
    db.clock.set(at(20))
    db.conn.execute("select absurd.retry_task(%s, %s)", (Q, task_id))
    return task_id


def released(db: Database) -> Any:
    task = started(db)
    claims = json.dumps([{"task_id": str(task["task_id"]), "epoch": task["claim_epoch"]}])
    assert db.rows("select status from absurd.release_claims(%s, %s)", Q, claims) == [("ok",)]
    return task["task_id"]


RUNNING = {"worker": "w1", "claimed_at": at(10), "lease_until": at(40), "last_heartbeat": at(10)}
CASES = {
    "spawn_task": Case(spawn, ("task.spawned", "new", "pending"), "spawn_task", 1, epoch=0, worker=None),
    "spawn_tasks": Case(spawned_by_the_batch, ("task.spawned", "new", "pending"), "spawn_tasks", 1, epoch=0, worker=None),
    "spawn_task, delayed": Case(
        lambda db: spawn(db, delay_seconds=60), ("task.spawned", "new", "sleeping"), "spawn_task", 1, epoch=0, worker=None,
        detail={"start_at": at(60).isoformat()}, status={"next_wake_up": at(60)},
    ),
    "claim_task": Case(
        claimed, ("run.claimed", "pending", "running"), "claim_tasks > claim_task", 2, workflow={"started_at": at(10)}, status=RUNNING
    ),
    "claim_task, time came": Case(
        lambda db: claimed(db, delay_seconds=10), ("run.claimed", "sleeping", "running"), "claim_tasks > claim_task", 2,
        workflow={"started_at": at(10)}, status=RUNNING,
    ),
    "claim_task: max_delay, pending": Case(
        lambda db: ruled(db, cancellation={"max_delay": 50}), ("task.cancelled", "pending", "cancelled"), "claim_tasks > claim_task",
        2, epoch=0, worker=None, detail={"reason": LATE}, workflow={"completed_at": at(100), "error": LATE},
    ),
    "claim_task: max_delay, sleeping": Case(
        lambda db: ruled(db, cancellation={"max_delay": 50}, delay_seconds=500), ("task.cancelled", "sleeping", "cancelled"),
        "claim_tasks > claim_task", 2, epoch=0, worker=None, detail={"reason": LATE},
        workflow={"completed_at": at(100), "error": LATE},
    ),
    "claim_task: max_duration, running": Case(
        lambda db: ruled(db, begin=True, cancellation={"max_duration": 50}), ("task.cancelled", "running", "cancelled"),
        "claim_tasks > claim_task", 3, detail={"reason": LONG}, workflow={"started_at": at(0), "completed_at": at(100), "error": LONG},
    ),
    "claim_task: max_duration, sleeping": Case(
        lambda db: ruled(db, begin=True, rest=True, cancellation={"max_duration": 50}), ("task.cancelled", "sleeping", "cancelled"),
        "claim_tasks > claim_task", 4, worker=None, detail={"reason": LONG},
        workflow={"started_at": at(0), "completed_at": at(100), "error": LONG},
    ),
    "claim_task: deadline": Case(
        lambda db: ruled(db, deadline=at(50).isoformat()), ("task.cancelled", "pending", "cancelled"), "claim_tasks > claim_task", 2,
        epoch=0, worker=None, detail={"reason": DEADLINE}, workflow={"completed_at": at(100), "error": DEADLINE},
    ),
    "claim_task: lease expired": Case(
        swept, ("run.retried", "running", "pending"), "claim_tasks > claim_task > fail_run", 3,
        detail={"reason": TIMED_OUT, "retry_at": at(40).isoformat()}, workflow={"started_at": at(0), "attempts": 2},
        status={"attempt": 2},
    ),
    "claim_task: lease expired, back-off": Case(
        lambda db: swept(db, retry_strategy=FIXED), ("run.retried", "running", "sleeping"), "claim_tasks > claim_task > fail_run", 3,
        detail={"reason": TIMED_OUT, "retry_at": at(100).isoformat()}, workflow={"started_at": at(0), "attempts": 2},
        status={"attempt": 2, "next_wake_up": at(100)},
    ),
    "claim_task: lease expired, none left": Case(
        lambda db: swept(db, max_attempts=1), ("run.failed", "running", "failed"), "claim_tasks > claim_task > fail_run", 3,
        detail={"reason": TIMED_OUT}, workflow={"started_at": at(0), "completed_at": at(40), "error": TIMED_OUT},
    ),
    "complete_run": Case(
        finished, ("run.completed", "running", "completed"), "complete_run", 3,
        workflow={"started_at": at(0), "completed_at": at(10), "result": {"x": 1}},
    ),
    "fail_run: now": Case(
        failed, ("run.retried", "running", "pending"), "fail_run", 3, detail={"reason": "why", "retry_at": at(10).isoformat()},
        workflow={"started_at": at(0), "attempts": 2}, status={"attempt": 2},
    ),
    "fail_run: later": Case(
        lambda db: failed(db, retry_strategy=FIXED), ("run.retried", "running", "sleeping"), "fail_run", 3,
        detail={"reason": "why", "retry_at": at(70).isoformat()}, workflow={"started_at": at(0), "attempts": 2},
        status={"attempt": 2, "next_wake_up": at(70)},
    ),
    "fail_run: at a given time": Case(
        lambda db: failed(db, at(25), retry_strategy=FIXED), ("run.retried", "running", "sleeping"), "fail_run", 3,
        detail={"reason": "why", "retry_at": at(25).isoformat()}, workflow={"started_at": at(0), "attempts": 2},
        status={"attempt": 2, "next_wake_up": at(25)},
    ),
    "fail_run: none left": Case(
        lambda db: failed(db, max_attempts=1), ("run.failed", "running", "failed"), "fail_run", 3, detail={"reason": "why"},
        workflow={"started_at": at(0), "completed_at": at(10), "error": "why"},
    ),
    "fail_run: not retryable": Case(
        lambda db: failed(db, retryable=False), ("run.failed", "running", "failed"), "fail_run", 3, detail={"reason": "why"},
        workflow={"started_at": at(0), "completed_at": at(10), "error": "why"},
    ),
    "fail_run: beyond max_duration": Case(
        lambda db: failed(db, cancellation={"max_duration": 30}, retry_strategy=FIXED), ("task.cancelled", "running", "cancelled"),
        "fail_run", 3, detail={"reason": "why", "rule": "max_duration"},
        workflow={"started_at": at(0), "completed_at": at(10), "error": LONG},
    ),
    "schedule_run": Case(
        scheduled, ("run.suspended", "running", "sleeping"), "schedule_run", 3, detail={"until": at(70).isoformat()},
        workflow={"started_at": at(0)}, status={"next_wake_up": at(70)},
    ),
    "await_event: for ever": Case(
        suspended, ("run.suspended", "running", "sleeping"), "await_event", 3, detail={"event": "e", "timeout_at": None},
        workflow={"started_at": at(0)}, status={"waiting_for": "e"},
    ),
    "await_event: until a time-out": Case(
        lambda db: suspended(db, 60), ("run.suspended", "running", "sleeping"), "await_event", 3,
        detail={"event": "e", "timeout_at": at(70).isoformat()}, workflow={"started_at": at(0)},
        status={"waiting_for": "e", "next_wake_up": at(70)},
    ),
    "emit_event, first": Case(
        woken, ("run.woken", "sleeping", "pending"), "emit_event", 4, worker=None, detail={"event": "e"},
        workflow={"started_at": at(0)}, status={"steps_done": 1, "last_step": "s"},
    ),
    "cancel_task: pending": Case(
        lambda db: stopped(db, "pending"), ("task.cancelled", "pending", "cancelled"), "cancel_task", 2, epoch=0, worker=None,
        detail={"reason": ASKED}, workflow={"completed_at": at(10), "error": ASKED},
    ),
    "cancel_task: sleeping": Case(
        lambda db: stopped(db, "sleeping"), ("task.cancelled", "sleeping", "cancelled"), "cancel_task", 2, epoch=0, worker=None,
        detail={"reason": ASKED}, workflow={"completed_at": at(10), "error": ASKED},
    ),
    "cancel_task: running": Case(
        lambda db: stopped(db, "running"), ("task.cancelled", "running", "cancelled"), "cancel_task", 3, detail={"reason": ASKED},
        workflow={"started_at": at(0), "completed_at": at(10), "error": ASKED},
    ),
    "cancel_task: with a reason": Case(
        stopped_for_a_reason, ("task.cancelled", "pending", "cancelled"), "cancel_task", 2, epoch=0, worker=None,
        detail={"reason": cancelled(None, "customer left")},
        workflow={"completed_at": at(10), "error": cancelled(None, "customer left")},
    ),
    "retry_task": Case(
        retried, ("task.retried", "failed", "pending"), "retry_task", 4, attempt=2, worker=None,
        detail={"by": BY, "max_attempts": 2}, workflow={"started_at": at(0), "attempts": 2}, status={"attempt": 2},
    ),
    "release_claims": Case(
        released, ("run.released", "running", "pending"), "release_claims", 3, workflow={"started_at": at(0)},
    ),
}  # fmt: skip

AT_REST: Row = {
    "attempt": 1, "worker": None, "claimed_at": None, "lease_until": None, "last_heartbeat": None, "steps_done": 0, "last_step": None,
    "waiting_for": None, "next_wake_up": None, "queue_name": Q, "task_name": "work",
}  # fmt: skip
WORKFLOW: Row = {
    "attempts": 1, "started_at": None, "completed_at": None, "result": None, "error": None, "inputs": 1, "workflow_name": "work",
    "absurd_queue": Q, "created_at": at(0), "purged_at": None, "external_id": None,
}  # fmt: skip


def named(document: Any, role: str) -> Any:
    """The expectation with the role that the tests log in with."""
    return json.loads(json.dumps(document, default=str).replace(BY, role))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_move_is_told_by_the_log_the_workflow_and_the_status_view(db: Database, case: Case) -> None:
    task_id = case.act(db)

    role = str(db.one("select session_user"))
    entry = log(db, task_id)[case.row]
    _event, _from_state, to_state = case.move
    assert (entry["event"], entry["from_state"], entry["to_state"]) == case.move
    assert (entry["seq"], entry["attempt"], entry["claim_epoch"], entry["worker"]) == (case.seq, case.attempt, case.epoch, case.worker)
    assert (entry["login_role"], entry["set_role"], entry["via"], entry["queue_name"]) == (role, None, case.via, Q)
    assert entry["detail"] == named(case.detail, role)
    assert entry["run_id"] == db.one("select absurd.run_id_of(%s, %s)", task_id, case.attempt)
    assert [r["seq"] for r in log(db, task_id)] == list(range(1, case.seq + 1))

    told = workflow(db, task_id)
    wanted = WORKFLOW | {"status": to_state} | case.workflow
    wanted["error"] = named(wanted["error"], role)
    assert {k: told[k] for k in wanted} == wanted
    assert told["absurd_run_id"] == db.one("select absurd.run_id_of(%s, %s)", task_id, wanted["attempts"])

    seen = status(db, task_id)
    if to_state in ("completed", "failed", "cancelled"):
        assert seen is None
    else:
        assert seen is not None
        wanted = AT_REST | {"state": to_state} | case.status
        assert {k: seen[k] for k in wanted} == wanted


def test_a_child_is_cancelled_with_its_parent_and_says_so(db: Database) -> None:
    child = child_of_a_stopped_parent(db)

    entry = log(db, child)[-1]
    role = str(db.one("select session_user"))
    parent = db.one("select parent_task_id from absurd.task where task_id = %s", child)
    assert (entry["event"], entry["from_state"], entry["to_state"], entry["seq"]) == ("task.cancelled", "pending", "cancelled", 2)
    assert entry["detail"] == {"reason": named(ORPHAN, role), "parent": str(parent)}
    assert entry["workflow_run_id"] == parent
    assert status(db, child) is None
    assert db.rows("select 1 from absurd.workflow_run where workflow_run_id = %s", child) == []
