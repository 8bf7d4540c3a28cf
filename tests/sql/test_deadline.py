"""A deadline ends its task, whatever the task is doing; and a task that is stopped or has failed takes its children along."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import (
    Q,
    Row,
    at,
    claim,
    claim_one,
    complete,
    emit,
    expect_error,
    fail,
    log,
    prepare,
    run,
    running,
    spawn,
    state,
    workflow,
)

OVER = {"name": "$Cancelled", "rule": "deadline", "message": "its deadline passed", "by": "postgres"}


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    prepare(db)


def heartbeat(db: Database, task: Row, extend_by: int = 30) -> str:
    claims = json.dumps([{"task_id": str(task["task_id"]), "epoch": task["claim_epoch"]}])
    ((_, answer),) = [tuple(r.values()) for r in run(db, "select * from absurd.heartbeat(%s, %s, %s)", Q, claims, extend_by)]
    return str(answer)


def ended(db: Database, task_id: Any) -> tuple[Any, ...]:
    record = workflow(db, task_id)
    return record["status"], record["completed_at"], record["error"]


@pytest.mark.parametrize("what", ["pending", "delayed", "asleep", "waiting", "running"])
def test_a_deadline_ends_a_task_in_whatever_state(db: Database, what: str) -> None:
    task_id = spawn(db, deadline=at(50), **({"delay_seconds": 500} if what == "delayed" else {}))
    if what not in ("pending", "delayed"):
        task = claim_one(db, lease=900)
        if what == "asleep":
            db.conn.execute("select absurd.schedule_run(%s, %s, %s)", (Q, task["run_id"], at(500)))
        elif what == "waiting":
            run(db, "select absurd.await_event(%s, %s, %s, 's', 'e')", Q, task_id, task["run_id"])
    before = state(db, task_id)
    db.clock.set(at(49))
    spawn(db, name="other")
    claim(db, qty=5, lease=900)
    assert state(db, task_id) in (before, "running")

    db.clock.set(at(50))
    claim(db)

    assert ended(db, task_id) == ("cancelled", at(50), OVER)
    last = log(db, task_id)[-1]
    assert (last["event"], last["via"], last["detail"]) == ("task.cancelled", "claim_tasks > claim_task", {"reason": OVER})
    assert db.verify() == []


def test_a_full_worker_learns_of_the_deadline_from_its_heartbeat(db: Database) -> None:
    """It claims nothing while it is full, so that no sweep of its own comes by; and a lease may be extended for ever."""
    task = running(db, deadline=at(50))
    db.clock.set(at(20))
    assert heartbeat(db, task) == "ok"

    db.clock.set(at(50))

    assert heartbeat(db, task) == "cancelled"
    assert ended(db, task["task_id"]) == ("cancelled", at(50), OVER)
    assert log(db, task["task_id"])[-1]["via"] == "heartbeat"
    assert heartbeat(db, task) == "cancelled"
    with expect_error("AB001"):
        complete(db, task, epoch=task["claim_epoch"])
    assert db.verify() == []


def test_a_heartbeat_under_a_lost_claim_ends_nothing(db: Database) -> None:
    first = running(db, deadline=at(50))
    db.clock.set(at(31))
    second = claim_one(db, lease=100)
    db.clock.set(at(50))

    assert heartbeat(db, first) == "lost"
    assert state(db, second["task_id"]) == "running"


def test_a_retry_after_the_deadline_never_starts(db: Database) -> None:
    task = running(db, deadline=at(50), max_attempts=5)
    fail(db, task, {"name": "Busy"}, at(60))
    db.clock.set(at(70))

    assert claim(db) == []
    assert ended(db, task["task_id"]) == ("cancelled", at(70), OVER)
    assert db.rows("select state, failure_reason ->> 'name' from absurd.run order by attempt") == [
        ("failed", "Busy"),
        ("cancelled", "$Cancelled"),
    ]


def test_more_overdue_tasks_than_one_sweep_takes_are_not_started(db: Database) -> None:
    tasks = [{"task_name": "late", "params": 1, "options": {"deadline": at(50).isoformat()}}] * 150
    run(db, "select absurd.spawn_tasks(%s, %s)", Q, json.dumps(tasks))
    on_time = spawn(db)
    db.clock.set(at(51))

    assert [t["task_id"] for t in claim(db, qty=10)] == [on_time]
    assert db.rows("select state, count(*) from absurd.task where task_name = 'late' group by 1 order by 1") == [
        ("cancelled", 100),
        ("pending", 50),
    ]
    assert claim(db, qty=10) == []
    assert db.one("select count(*) from absurd.task where task_name = 'late' and state = 'cancelled'") == 150
    assert db.verify() == []


def family(db: Database, **options: Any) -> tuple[Row, dict[str, Any]]:
    """A running task with children in all manner of states, and a grandchild."""
    parent = running(db, **options)
    mine = {"parent_task_id": str(parent["task_id"])}
    children = {"ended": spawn(db, name="ended", **mine)}
    complete(db, claim_one(db))
    children["running"] = spawn(db, name="running", **mine)
    grandparent = claim_one(db)
    children["grandchild"] = spawn(db, name="grandchild", parent_task_id=str(grandparent["task_id"]), delay_seconds=600)
    children["sleeping"] = spawn(db, name="sleeping", delay_seconds=600, **mine)
    children["detached"] = spawn(db, name="detached", detached=True, delay_seconds=600, **mine)
    return parent, children


def states(db: Database, children: dict[str, Any]) -> dict[str, str]:
    return {name: state(db, child) for name, child in children.items()}


STOPPED = {"ended": "completed", "running": "cancelled", "grandchild": "cancelled", "sleeping": "cancelled", "detached": "sleeping"}


def fail_for_good(db: Database, task: Row) -> None:
    fail(db, task, {"name": "Broken"}, retryable=False)


def let_the_lease_run_out(db: Database, task: Row) -> None:
    db.conn.execute("update absurd.task set claim_expires_at = %s where task_id <> %s and state = 'running'", (at(9999), task["task_id"]))
    db.clock.set(at(31))
    claim(db)


@pytest.mark.parametrize("end", [fail_for_good, let_the_lease_run_out])
def test_a_task_that_failed_takes_its_children_along(db: Database, end: Any) -> None:
    parent, children = family(db, max_attempts=1)

    end(db, parent)

    assert state(db, parent["task_id"]) == "failed"
    assert states(db, children) == STOPPED
    reason = {"name": "$Cancelled", "rule": "parent", "message": f"its parent {parent['task_id']} failed", "by": "postgres"}
    last = log(db, children["running"])[-1]
    assert last["detail"] == {"reason": reason, "parent": str(parent["task_id"])}
    assert db.one("select error from absurd.task where task_id = %s", children["running"]) == reason
    assert log(db, children["grandchild"])[-1]["detail"]["reason"]["message"] == "its parent was cancelled"
    assert db.verify() == []


def test_a_task_at_its_deadline_takes_its_children_along(db: Database) -> None:
    parent, children = family(db)
    db.conn.execute("update absurd.task set deadline = %s, cancel_at = %s where task_id = %s", (at(10), at(10), parent["task_id"]))
    db.clock.set(at(10))

    assert heartbeat(db, parent) == "cancelled"
    assert states(db, children) == STOPPED


def test_a_task_that_is_tried_again_keeps_its_children(db: Database) -> None:
    parent, children = family(db, max_attempts=2)
    before = states(db, children)

    fail(db, parent, retry_at=at(60))

    assert states(db, children) == before


def test_a_child_that_somebody_holds_is_cancelled_by_the_next_claim(db: Database) -> None:
    parent = running(db)
    child = spawn(db, parent_task_id=str(parent["task_id"]), delay_seconds=600)
    other = db.connect(autocommit=False)
    other.execute("select from absurd.task where task_id = %s for no key update", (child,))

    fail_for_good(db, parent)
    assert state(db, child) == "sleeping"
    other.rollback()
    claim(db)

    assert state(db, child) == "cancelled"
    assert log(db, child)[-1]["detail"]["reason"]["message"] == f"its parent {parent['task_id']} failed"
    assert db.verify() == []


def test_who_waits_for_a_child_hears_of_its_end(db: Database) -> None:
    parent = running(db)
    child = spawn(db, name="child", parent_task_id=str(parent["task_id"]), delay_seconds=600)
    waiter = running(db)
    op = {"n": 0, "task_id": str(waiter["task_id"]), "epoch": 1, "op": "await_task", "step": "s", "task": str(child)}
    run(
        db,
        "select absurd.worker_sync(%s)",
        json.dumps({"queue": Q, "worker": "w", "instance": str(child), "call": 1, "ops": [op], "claim": None}),
    )
    assert state(db, waiter["task_id"]) == "sleeping"

    fail_for_good(db, parent)

    assert state(db, waiter["task_id"]) == "pending"


def test_an_event_does_not_bring_a_task_back_after_its_deadline(db: Database) -> None:
    task = running(db, deadline=at(50))
    run(db, "select absurd.await_event(%s, %s, %s, 's', 'e')", Q, task["task_id"], task["run_id"])
    db.clock.set(at(60))
    emit(db)

    assert claim(db) == []
    assert state(db, task["task_id"]) == "cancelled"
