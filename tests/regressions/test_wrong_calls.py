"""Calls in the wrong state, under the wrong claim, at the wrong time: the defects of that kind, by their numbers (table.toml)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from fixtures import server
from fixtures.database import Database
from races.schedule import Task, claim_one, make_queue, op, refused, running, spawn, state, sync
from tollway import Client
from tollway.errors import LeaseLost, RunFailed, TaskCancelled, TollwayError


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


# --- R4: checkpoints for the wrong run, leases that shrink or come back ------------------------------------------------------

SAVE = "select absurd.set_task_checkpoint_state('q', %s, 's', '1', %s, %s, %s)"


def in_state(db: Database, wanted: str) -> Task:
    """A task in that state, with its last run and epoch."""
    if wanted == "pending":
        task_id = spawn(db)
        return Task(task_id, db.one("select absurd.run_id_of(%s, 1)", task_id), 0, 1)
    task = running(db)
    last = {"sleeping": op("sleep", task, seconds=60), "completed": op("complete", task), "failed": op("fail", task, retryable=False)}
    if wanted == "cancelled":
        db.rows("select absurd.cancel_task('q', %s)", task.task_id)
    else:
        sync(db, [last[wanted]])
    assert state(db, task.task_id) == wanted
    return task


@pytest.mark.parametrize("with_epoch", [False, True], ids=["without an epoch", "with its epoch"])
@pytest.mark.parametrize("wrong", ["pending", "sleeping", "completed", "failed", "cancelled"])
def test_r4_only_a_running_task_takes_a_checkpoint(db: Database, wrong: str, *, with_epoch: bool) -> None:
    task = in_state(db, wrong)

    assert refused(db, SAVE, task.task_id, task.run_id, None, task.epoch if with_epoch else None) is not None

    assert db.rows("select from absurd.checkpoint") == []
    assert db.verify() == []


@pytest.mark.parametrize("with_epoch", [False, True], ids=["without an epoch", "with its epoch"])
def test_r4_a_checkpoint_for_another_tasks_run_is_refused(db: Database, *, with_epoch: bool) -> None:
    mine, other = running(db), running(db)

    assert refused(db, SAVE, other.task_id, mine.run_id, None, mine.epoch if with_epoch else None) == "P0001"

    assert db.rows("select from absurd.checkpoint") == []


LEASE = "select claim_expires_at - absurd.current_time() from absurd.task where task_id = %s"


def test_r4_no_call_that_carries_an_epoch_shortens_a_lease(db: Database) -> None:
    db.clock.freeze()
    task = running(db)
    claims = json.dumps([{"task_id": str(task.task_id), "epoch": task.epoch}])

    db.rows(SAVE, task.task_id, task.run_id, 5, task.epoch)
    db.rows("select absurd.extend_claim('q', %s, 5, %s)", task.run_id, task.epoch)
    db.rows("select * from absurd.heartbeat('q', %s, 5)", claims)

    assert db.one(LEASE, task.task_id) == timedelta(seconds=30)
    db.rows("select absurd.extend_claim('q', %s, 45, %s)", task.run_id, task.epoch)
    assert db.one(LEASE, task.task_id) == timedelta(seconds=45)


def test_r4_a_lease_that_was_taken_over_is_not_revived(db: Database) -> None:
    """Expired and not yet swept it is still its holder's, whom the epoch tells from everybody else; then never again."""
    db.clock.freeze()
    task = running(db)
    db.clock.advance(timedelta(minutes=1))
    heir = claim_one(db, worker="w2")
    before = db.one(LEASE, heir.task_id)

    assert refused(db, "select absurd.extend_claim('q', %s, 600, %s)", task.run_id, task.epoch) == "TW201"
    assert refused(db, "select absurd.extend_claim('q', %s, 600)", task.run_id) == "AB002"
    assert refused(db, SAVE, task.task_id, task.run_id, 600, task.epoch) == "TW201"
    claims = json.dumps([{"task_id": str(task.task_id), "epoch": task.epoch}])
    assert db.one("select status from absurd.heartbeat('q', %s, 600)", claims) == "lost"

    assert db.one(LEASE, heir.task_id) == before


# --- R17: anybody's clock ----------------------------------------------------------------------------------------------------


@pytest.fixture
def worker_login(db: Database) -> Iterator[psycopg.Connection[Any]]:
    """A login that is a member of tollway_worker and of nothing else."""
    name = f"r17_{uuid4().hex[:12]}"
    db.conn.execute(f"create role {name} login in role tollway_worker")
    connection = db.connect(user=name)
    yield connection
    connection.close()
    db.conn.execute(f"drop role {name}")


@pytest.mark.parametrize("setting", ["absurd.fake_now", "absurd.now", "tollway.fake_now"])
def test_r17_no_setting_moves_the_clock_or_steals_a_lease(db: Database, worker_login: psycopg.Connection[Any], setting: str) -> None:
    """With the clock of production put in, which a worker may read, and no more."""
    db.conn.execute(next(file.text for file in server.wanted().code if file.path == "00_schema.sql"))  # type: ignore[call-overload]
    task = running(db, cancellation={"max_duration": 3600})
    worker_login.execute("select set_config(%s, '2100-01-01', false)", (setting,))

    row = worker_login.execute("select absurd.current_time() < clock_timestamp() + interval '1 minute'").fetchone()
    assert row == (True,)
    assert worker_login.execute("select * from absurd.claim_task('q', 'thief', 30, 10)").fetchall() == []

    assert db.one("select claimed_by, attempt, state from absurd.task where task_id = %s", task.task_id) == ("w1", 1, "running")


def test_r17_the_clock_of_tests_is_no_roles_and_is_reported(db: Database, worker_login: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        worker_login.execute("update absurd.test_clock set now = '2100-01-01'")

    assert ("clock_is_the_databases",) in db.rows("select invariant from absurd.verify()")


# --- R20: wrong-state errors by message text ---------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Client, Task], object]] = {
    "complete_run": lambda client, task: client.complete_run("q", task.run_id, "other", epoch=task.epoch),
    "fail_run": lambda client, task: client.fail_run("q", task.run_id, {"name": "E"}, epoch=task.epoch),
    "schedule_run": lambda client, task: client.schedule_run("q", task.run_id, datetime.max.replace(tzinfo=UTC), epoch=task.epoch),
    "extend_claim": lambda client, task: client.extend_claim("q", task.run_id, 60, epoch=task.epoch),
    "set_task_checkpoint_state": lambda client, task: client.set_task_checkpoint_state(
        "q", task.task_id, "s", 1, task.run_id, epoch=task.epoch
    ),
    "await_event": lambda client, task: client.await_event("q", task.task_id, task.run_id, "s", "e", epoch=task.epoch),
}
TOLD: dict[str, type[TollwayError]] = {
    "sleeping": LeaseLost, "completed": LeaseLost, "failed": RunFailed, "cancelled": TaskCancelled,
}  # fmt: skip


@pytest.mark.parametrize("wrong", TOLD)
@pytest.mark.parametrize("name", CALLS)
def test_r20_each_wrong_state_has_a_sqlstate_and_a_class_of_its_own(db: Database, name: str, wrong: str) -> None:
    """A client decides by the class alone, whatever the message says; and what it was told it may act on."""
    task = in_state(db, wrong)
    before = db.rows("select * from absurd.task")

    with pytest.raises(TollwayError) as caught:
        CALLS[name](Client(db.conn), task)

    assert type(caught.value) is TOLD[wrong]
    assert caught.value.sqlstate not in (None, "P0001")
    assert caught.value.hint
    assert db.rows("select * from absurd.task") == before


def test_r20_a_move_that_is_not_listed_has_a_sqlstate_of_its_own(db: Database) -> None:
    task = in_state(db, "completed")

    assert refused(db, "update absurd.task set state = 'pending' where task_id = %s", task.task_id) == "TW101"
    assert refused(db, "delete from absurd.task where task_id = %s", spawn(db)) == "TW104"
