"""repair() mends what is derived, says what it did, and leaves a database that verify() is content with."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, Session, claim_one, make_queue, op, refused, running, spawn, state, sync


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def behind_the_gate(db: Database, statement: str, *params: Any) -> None:
    """As a plain trigger would be under session_replication_role: off, and on again as it was."""
    tables = ("task", "event", "wait", "workflow_run")
    with db.conn.transaction():
        for table in tables:
            db.conn.execute(f"alter table absurd.{table} disable trigger user")
        db.conn.execute(statement, params)
        for table in tables:
            for (name,) in db.rows("select tgname from pg_trigger where tgrelid = %s::regclass and not tgisinternal", f"absurd.{table}"):
                db.conn.execute(f"alter table absurd.{table} enable always trigger {name}")


def repair(db: Database) -> list[Any]:
    return db.rows("select action, task_id, before, after from absurd.repair()")


def logged(db: Database) -> list[Any]:
    return [detail for (detail,) in db.rows("select detail from absurd.absurd_event_log where event = 'repaired' order by log_id")]


def test_a_sound_database_is_left_as_it_is(db: Database) -> None:
    running(db)
    before = db.rows("select * from absurd.workflow_run")

    assert repair(db) == []
    assert logged(db) == []
    assert db.rows("select * from absurd.workflow_run") == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "'pending'"),
        ("attempts", "9"),
        ("result", "'9'"),
        ("completed_at", "null"),
        ("started_at", "null"),
        ("error", "'9'"),
        ("absurd_run_id", "workflow_run_id"),
        ("created_at", "'2000-01-01'"),
        ("inputs", "'9'"),
    ],
)
def test_a_workflow_run_that_disagrees_is_mended_from_its_task(db: Database, field: str, value: str) -> None:
    db.clock.freeze()  # started_at comes from the log, which is written a moment later
    task = running(db)
    sync(db, [op("complete", task, result=2)])
    row = "select to_jsonb(w) - 'updated_at' from absurd.workflow_run w"
    right = db.one(row)
    behind_the_gate(db, f"update absurd.workflow_run set {field} = {value}")
    wrong = db.one(row)
    assert wrong != right

    ((action, task_id, before, after),) = repair(db)

    assert (action, task_id) == ("workflow_run", task.task_id)
    assert before[field] == wrong[field]
    assert after[field] == right[field]
    assert db.one(row) == right
    (entry,) = logged(db)
    assert (entry["action"], entry["task_id"]) == ("workflow_run", str(task.task_id))
    assert (entry["before"][field], entry["after"][field]) == (wrong[field], right[field])
    assert db.verify() == []


def test_a_workflow_run_that_is_missing_is_made_anew(db: Database) -> None:
    task_id = spawn(db, tags=["a"], created_by="me", headers={"workflow_run_id": "ext"})
    right = db.one("select to_jsonb(w) - 'updated_at' from absurd.workflow_run w")
    behind_the_gate(db, "delete from absurd.workflow_run")

    ((action, repaired, before, _),) = repair(db)

    assert (action, repaired) == ("workflow_run", task_id)
    assert before is None or set(before.values()) == {None}
    assert db.one("select to_jsonb(w) - 'updated_at' from absurd.workflow_run w") == right
    assert db.verify() == []


def test_a_wait_left_behind_is_removed(db: Database) -> None:
    task = running(db)
    db.conn.execute(
        "insert into absurd.wait (task_id, step_name, queue_name, event_name, attempt) values (%s, 's', 'q', 'e', 1)", (task.task_id,)
    )

    ((action, task_id, before, after),) = repair(db)

    assert (action, task_id, before["event_name"], after) == ("wait", task.task_id, "e", None)
    assert logged(db)[0]["before"]["step_name"] == "s"
    assert db.verify() == []


def test_a_missed_wake_up_for_an_event_is_made_good(db: Database) -> None:
    task = running(db)
    sync(db, [op("await", task, step="s", event="e")])
    behind_the_gate(db, "update absurd.event set payload = '7', emitted_at = now()")
    assert {row[0] for row in db.verify()} == {"nothing_sleeps_on_an_emitted_event", "emitted_event_is_logged"}

    ((action, task_id, _, _),) = repair(db)

    assert (action, task_id, state(db, task.task_id)) == ("wake-up", task.task_id, "pending")
    heir = claim_one(db)
    answer = sync(db, [op("await", heir, step="s", event="e")])["ops"][0]
    assert (answer["outcome"], answer["payload"]) == ("event", 7)
    assert {row[0] for row in db.verify()} == {"emitted_event_is_logged"}  # the log is for people to judge


def test_a_missed_wake_up_for_a_tasks_end_is_made_good(db: Database) -> None:
    task, awaited = running(db), running(db)
    with Session(db) as holder:
        sync(db, [op("await_task", task, step="s", task=awaited.task_id)])
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", task.task_id)
        sync(db, [op("complete", awaited, result=1)])
        holder.run("rollback")
    assert db.verify() == []  # its follow-up is on the way
    db.conn.execute("delete from absurd.follow_up")
    assert {row[0] for row in db.verify()} == {"nothing_sleeps_on_an_ended_task"}

    ((action, task_id, _, _),) = repair(db)

    assert (action, task_id) == ("wake-up", task.task_id)
    assert db.verify() == []


def test_a_follow_up_that_nobody_does_is_reported_after_its_minute(db: Database) -> None:
    db.clock.freeze()
    task, awaited = running(db), running(db)
    sync(db, [op("await_task", task, step="s", task=awaited.task_id)])
    with Session(db) as holder:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", task.task_id)
        sync(db, [op("complete", awaited, result=1)])
        holder.run("rollback")
    db.clock.advance(timedelta(minutes=2))

    assert {row[0] for row in db.verify()} == {"nothing_sleeps_on_an_ended_task"}


def test_everything_at_once_is_mended_in_one_call(db: Database) -> None:
    db.one("select count(*) from absurd.spawn_tasks(%s, %s)", Q, json.dumps([{"task_name": "t"}] * 50))
    behind_the_gate(db, "update absurd.workflow_run set status = 'completed', attempts = 5")
    assert len(db.verify()) == 100

    assert len(repair(db)) == 50

    assert db.verify() == []
    assert len(logged(db)) == 50
    assert db.one("select count(distinct via) from absurd.absurd_event_log where event = 'repaired' and via = 'repair'") == 1


def test_only_an_operator_repairs(db: Database) -> None:
    for role, expected in {
        "tollway_worker": "42501",
        "tollway_client": "42501",
        "tollway_reader": "42501",
        "tollway_operator": None,
    }.items():
        db.conn.execute(f"set role {role}")
        assert refused(db, "select * from absurd.repair()") == expected
        db.conn.execute("reset role")
