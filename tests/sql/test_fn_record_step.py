"""record_step records what worker_sync would record without anything to judge, and leaves all else to it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from fixtures.database import Database
from races.schedule import Q, Session, Task, claim_one, make_queue, op, running, statuses, sync

RECORD = "select absurd.record_step(%s, %s, %s, %s, %s, 1.5)"


@pytest.fixture
def task(db: Database) -> Task:
    make_queue(db)
    return running(db)


def record(db: Database, task: Task, step: str | None = "s", state: Any = 1, *, queue: str = Q, epoch: int | None = None) -> bool:
    value = None if state is None else Jsonb(state)
    return bool(db.one(RECORD, queue, task.task_id, task.epoch if epoch is None else epoch, step, value))


def recorded(db: Database) -> list[Any]:
    return db.rows("select checkpoint_name, state, attempt, claim_epoch, duration_ms from absurd.checkpoint order by 1")


def test_a_step_of_a_held_run_is_recorded(db: Database, task: Task) -> None:
    assert record(db, task, "s", {"a": 1})

    assert recorded(db) == [("s", {"a": 1}, 1, task.epoch, 1.5)]
    assert db.verify() == []


def test_it_writes_what_worker_sync_writes(db: Database, task: Task) -> None:
    assert record(db, task, "a")
    assert statuses(sync(db, [op("checkpoint", task, step="b", state=1, duration_ms=1.5)])) == ["ok"]

    one, other = db.rows("select to_jsonb(c) - 'checkpoint_name' - 'updated_at' from absurd.checkpoint c order by checkpoint_name")
    assert one == other


@pytest.mark.parametrize("state", ["null", 1])
def test_what_was_recorded_and_not_answered_is_there_already(db: Database, task: Task, state: Any) -> None:
    recorded = db.one("select absurd.record_step(%s, %s, %s, 's', %s::jsonb)", Q, task.task_id, task.epoch, str(state))
    assert recorded

    assert statuses(sync(db, [op("checkpoint", task, step="s", state=None if state == "null" else state)])) == ["already"]


def test_a_step_that_has_a_value_keeps_it(db: Database, task: Task) -> None:
    assert record(db, task, "s", 1)

    assert not record(db, task, "s", 2)
    assert not record(db, task, "s", 1), "worker_sync says that it was there already"
    assert [row[:2] for row in recorded(db)] == [("s", 1)]


@pytest.mark.parametrize(
    "change", ["stale", "other queue", "no such task", "no step", "empty step", "long step", "no value", "large value"]
)
def test_what_there_is_to_judge_about_is_left_to_worker_sync(db: Database, task: Task, change: str) -> None:
    make_queue(db, "other")
    nobody = Task(uuid4(), None, 1, 1)
    assert not {
        "stale": lambda: record(db, task, epoch=task.epoch + 1),
        "other queue": lambda: record(db, task, queue="other"),
        "no such task": lambda: record(db, nobody),
        "no step": lambda: record(db, task, None),
        "empty step": lambda: record(db, task, ""),
        "long step": lambda: record(db, task, "é" * 128),
        "no value": lambda: record(db, task, state=None),
        "large value": lambda: record(db, task, state="x" * 600),
    }[change]()
    assert recorded(db) == []


@pytest.mark.parametrize("end", ["complete", "sleep", "release"])
def test_a_run_that_is_not_running_takes_no_step(db: Database, task: Task, end: str) -> None:
    sync(db, [op(end, task, result=1, seconds=60)])

    assert not record(db, task)


def test_a_successor_is_not_touched(db: Database, task: Task) -> None:
    sync(db, [op("release", task)])
    successor = claim_one(db)

    assert not record(db, task)
    assert record(db, successor)


def test_it_waits_for_nobody(db: Database, task: Task) -> None:
    with Session(db) as other:
        other.run("begin")
        other.run("select from absurd.task for update")
        db.conn.execute("set lock_timeout = '1ms'")

        assert not record(db, task)
        other.run("rollback")
    assert record(db, task)


def test_a_claim_that_is_under_way_is_not_passed_by(db: Database, task: Task) -> None:
    """The lock is held to the commit, so nobody takes the run over between the look and the record."""
    with Session(db) as worker, Session(db) as sweeper:
        worker.run("begin")
        assert worker.run(RECORD, Q, task.task_id, task.epoch, "s", Jsonb(1)) == [(True,)]
        call = sweeper.start("select absurd.cancel_task('q', %s)", task.task_id)
        sweeper.waits_for(worker)
        worker.run("commit")
        call.result()

    assert [row[0] for row in recorded(db)] == ["s"]
    assert db.verify() == []
