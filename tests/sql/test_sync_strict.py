"""A strict call is the last statement of a transaction step: it happens whole with the user's rows, or raises and they go, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from fixtures.database import Database
from races.schedule import Q, Session, Task, claim_one, make_queue, op, running, spawn, sqlstate, state, statuses, sync

SYNC = "select absurd.worker_sync(%s)"
BUSINESS = "insert into business values (1)"
ANYBODY = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)
    db.conn.execute("create table business (n integer)")


def request(*ops: dict[str, Any], **fields: Any) -> str:
    document = {"queue": Q, "worker": "w1", "strict": True, "ops": [{"n": n, **o} for n, o in enumerate(ops)], **fields}
    return json.dumps(document, default=str)


def checkpoint(task: Task, state: Any = 1) -> dict[str, Any]:
    return op("checkpoint", task, step="reserve", state=state)


def step(db: Database, *ops: dict[str, Any], isolation: str = "read committed", **fields: Any) -> str | None:
    """A transaction step: one business row, then the strict call. Returns the SQLSTATE it ended with."""
    with user_transaction(db, isolation) as user:
        try:
            user.execute(BUSINESS)
            user.execute(SYNC, (request(*ops, **fields),))
            user.execute("commit")
        except psycopg.Error as error:
            return error.sqlstate
    return None


@contextmanager
def user_transaction(db: Database, isolation: str) -> Iterator[psycopg.Connection[Any]]:
    user = db.connect()
    user.execute(f"begin isolation level {isolation}".encode())
    yield user
    user.close()


def business_rows(db: Database) -> int:
    return int(db.one("select count(*) from business"))


def events(db: Database) -> list[Any]:
    return db.rows("select event_name from absurd.event where emitted_at is not null")


def test_spawn_emit_and_checkpoint_happen_with_the_users_rows(db: Database) -> None:
    task = running(db)

    assert step(db, op("spawn", task, step="child", task_name="kid"), op("emit", task, event="e", payload=1), checkpoint(task)) is None

    assert business_rows(db) == 1
    assert events(db) == [("e",)]
    assert db.rows("select checkpoint_name from absurd.checkpoint order by 1") == [("child",), ("reserve",)]
    assert db.one("select count(*) from absurd.task where parent_task_id = %s", task.task_id) == 1
    assert state(db, task.task_id) == "running"
    assert db.verify() == []


def test_the_answer_is_the_usual_one(db: Database) -> None:
    task = running(db)

    answer = db.one(SYNC, request(op("spawn", task, step="child", task_name="kid"), checkpoint(task), call=4))

    assert statuses(answer) == ["ok", "ok"]
    assert answer["ops"][0]["child"] == str(db.one("select task_id from absurd.task where parent_task_id is not null"))
    assert (answer["claims"], answer["more"], answer["call"]) == ([], False, 4)


def test_a_rolled_back_step_leaves_nothing(db: Database) -> None:
    task = running(db)
    with user_transaction(db, "read committed") as user:
        user.execute(SYNC, (request(op("spawn", task, step="child", task_name="kid"), op("emit", task, event="e"), checkpoint(task)),))
        user.execute("rollback")

    assert (events(db), db.rows("select from absurd.checkpoint"), db.one("select count(*) from absurd.task")) == ([], [], 1)
    assert step(db, checkpoint(task)) is None


def released(db: Database) -> Task:
    task = running(db)
    sync(db, [op("release", task)])
    return task


def taken_over(db: Database) -> Task:
    task = released(db)
    claim_one(db, worker="w2")
    return task


def cancelled(db: Database) -> Task:
    task = running(db)
    db.one("select absurd.cancel_task(%s, %s) is null", Q, task.task_id)
    return task


def completed(db: Database) -> Task:
    task = running(db)
    sync(db, [op("complete", task, result=1)])
    return task


def elsewhere(db: Database) -> Task:
    make_queue(db, "other")
    spawn(db, "other")
    return claim_one(db, "other")


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
@pytest.mark.parametrize(
    ("arrange", "expected"),
    [(released, "TW201"), (taken_over, "TW201"), (completed, "TW201"), (elsewhere, "TW201"), (cancelled, "AB001")],
)
def test_a_lost_claim_takes_the_users_rows_with_it(db: Database, arrange: Any, expected: str, isolation: str) -> None:
    task = arrange(db)

    assert step(db, op("spawn", task, step="child", task_name="kid"), checkpoint(task), isolation=isolation) == expected

    assert business_rows(db) == 0
    assert db.rows("select from absurd.checkpoint") == []
    assert db.rows("select from absurd.task where parent_task_id is not null") == []


def test_a_task_that_is_not_there_is_a_lost_claim(db: Database) -> None:
    assert step(db, checkpoint(Task(ANYBODY, ANYBODY, 1, 1))) == "TW201"


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
@pytest.mark.parametrize("value", [1, 2])
def test_a_step_done_before_takes_the_users_rows_with_it(db: Database, value: int, isolation: str) -> None:
    """Equal or not: the rows of the first time are there already."""
    task = running(db)
    assert step(db, checkpoint(task)) is None

    assert step(db, checkpoint(task, value), isolation=isolation) == "TW202"

    assert business_rows(db) == 1


def test_a_step_whose_commit_was_not_heard_of_is_not_done_twice(db: Database) -> None:
    """The task went on and ended, then the step comes again."""
    task = running(db)
    assert step(db, checkpoint(task)) is None
    sync(db, [op("complete", task, result=1)])

    assert step(db, checkpoint(task)) == "TW202"
    assert business_rows(db) == 1


def test_a_child_that_is_there_takes_the_users_rows_with_it(db: Database) -> None:
    task = running(db)
    sync(db, [op("spawn", task, step="child", task_name="kid")])

    assert step(db, op("spawn", task, step="child", task_name="kid"), checkpoint(task)) == "TW202"
    assert business_rows(db) == 0


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({"op": "spawn", "step": "c", "task_name": "kid", "queue": "nobody"}, "42P01"),
        ({"op": "spawn", "step": "c", "task_name": "kid", "options": {"retry_strategy": 1}}, "AB003"),
        ({"op": "spawn", "step": "c", "task_name": "kid", "options": {"priority": "high"}}, "TW301"),
        ({"op": "checkpoint", "step": "", "state": 1}, "TW304"),
        ({"op": "checkpoint", "step": "s", "state": "x" * 1_048_577}, "TW302"),
        ({"op": "checkpoint", "step": "s", "state": eval("[" * 65 + "1" + "]" * 65)}, "TW303"),
        ({"op": "dance"}, "TW301"),
        ({"op": "complete", "result": 1}, "TW301"),
        ({"op": "await", "step": "s", "event": "e"}, "TW301"),
        ({"op": "sleep", "seconds": 1}, "TW301"),
    ],
)
def test_a_refused_operation_raises_its_own_code(db: Database, bad: dict[str, Any], expected: str) -> None:
    task = running(db)

    assert step(db, {"task_id": task.task_id, "epoch": task.epoch, **bad}, checkpoint(task)) == expected

    assert (business_rows(db), state(db, task.task_id), db.rows("select from absurd.checkpoint")) == (0, "running", [])


def test_a_strict_call_has_one_task_and_claims_nothing(db: Database) -> None:
    task, other = running(db), running(db)
    spawn(db)

    assert step(db, checkpoint(task), checkpoint(other)) == "TW301"
    assert step(db, checkpoint(task), claim={"qty": 1, "lease": 30}) == "TW301"
    assert step(db, claim={"qty": 1, "lease": 30}) == "TW301"
    assert step(db, checkpoint(task), strict="yes") == "TW301"
    assert step(db, checkpoint(task), claim=None) is None


def test_a_strict_call_waits_for_a_held_row(db: Database) -> None:
    """A group commit of the same task must not make a transaction step fail."""
    task = running(db)
    with Session(db) as user, Session(db) as other:
        other.run("begin")
        other.run("select from absurd.task for update")
        user.run("begin")
        user.run(BUSINESS)
        call = user.start(SYNC, request(checkpoint(task)))
        user.waits_for(other)
        other.run("rollback")
        assert sqlstate(call) is None
        user.run("commit")

    assert business_rows(db) == 1
    assert db.one("select count(*) from absurd.checkpoint") == 1


def test_an_emission_waits_for_its_waiters_and_wakes_them_all(db: Database) -> None:
    waiters = [running(db) for _ in range(20)]
    sync(db, [op("await", t, step="s", event="e") for t in waiters])
    task = running(db)
    with Session(db) as user, Session(db) as other:
        other.run("begin")
        other.run("select from absurd.task where task_id = %s for update", waiters[7].task_id)
        user.run("begin")
        call = user.start(SYNC, request(op("emit", task, event="e", payload=7), checkpoint(task)))
        user.waits_for(other)
        other.run("rollback")
        assert sqlstate(call) is None
        user.run("commit")

    assert db.rows("select from absurd.follow_up") == []
    assert {state(db, t.task_id) for t in waiters} == {"pending"}
    assert db.verify() == []


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_an_event_is_not_emitted_from_an_old_snapshot(db: Database, isolation: str) -> None:
    """It would not see who began to wait since, and never wake them."""
    task = running(db)

    assert step(db, op("emit", task, event="e"), checkpoint(task), isolation=isolation) == "TW301"
    assert (business_rows(db), events(db)) == (0, [])


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
@pytest.mark.parametrize("meanwhile", ["nothing", "checkpoint", "other value", "cancel", "release", "take over"])
def test_an_old_snapshot_ends_right_or_in_an_error(db: Database, isolation: str, meanwhile: str) -> None:
    task = running(db)
    with user_transaction(db, isolation) as user:
        user.execute(BUSINESS)
        user.execute("select count(*) from absurd.checkpoint")
        if meanwhile in ("checkpoint", "other value"):
            sync(db, [checkpoint(task, 1 if meanwhile == "checkpoint" else 2)])
        elif meanwhile == "cancel":
            db.one("select absurd.cancel_task(%s, %s) is null", Q, task.task_id)
        elif meanwhile != "nothing":
            sync(db, [op("release", task)])
            if meanwhile == "take over":
                claim_one(db, worker="w2")
        ended = None
        try:
            user.execute(SYNC, (request(op("spawn", task, step="child", task_name="kid"), checkpoint(task)),))
            user.execute("commit")
        except psycopg.Error as error:
            ended = error.sqlstate

    assert ended == (None if meanwhile == "nothing" else "40001")
    assert business_rows(db) == (meanwhile == "nothing")
    assert db.one("select count(*) from absurd.task where parent_task_id is not null") == (meanwhile == "nothing")
    assert db.verify() == []


def test_a_worker_may_make_the_call_and_a_client_may_not(db: Database) -> None:
    task = running(db)
    with user_transaction(db, "read committed") as user:
        user.execute("set local role tollway_worker")
        assert statuses(user.execute(SYNC, (request(checkpoint(task)),)).fetchone()[0]) == ["ok"]  # type: ignore[index]
        user.execute("set local role tollway_client")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            user.execute(SYNC, (request(checkpoint(task)),))
