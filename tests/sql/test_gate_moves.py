"""The gate allows the moves that absurd.transition lists, and no other, whoever makes them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, claim_one, log, make_queue, refused, spawn, state

STATES = ["pending", "running", "sleeping", "completed", "failed", "cancelled"]
MOVE = """update absurd.task set state = %s, move_event = %s,
            claim_epoch = claim_epoch + (%s)::integer, attempt = attempt + (%s)::integer,
            claimed_by = case when %s then 'w' end, claimed_at = case when %s then now() end,
            claim_expires_at = case when %s then now() end, started_at = case when %s then now() else started_at end,
            first_started_at = case when %s then now() else first_started_at end
          where task_id = %s"""


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def task_in(db: Database, wanted: str) -> Any:
    task_id = spawn(db, **({"delay_seconds": 3600} if wanted == "sleeping" else {"max_attempts": 5}))
    if wanted in ("running", "completed", "failed"):
        task = claim_one(db)
        if wanted == "completed":
            db.one("select absurd.complete_run(%s, %s, '1') is null", Q, task.run_id)
        elif wanted == "failed":
            db.one("select absurd.fail_run(%s, %s, '{}', p_retryable => false) is null", Q, task.run_id)
    elif wanted == "cancelled":
        db.one("select absurd.cancel_task(%s, %s) is null", Q, task_id)
    assert state(db, task_id) == wanted
    return task_id


def move(
    db: Database, task_id: Any, to_state: str, event: str | None, listed_event: str | None, wrong: tuple[str, int] | None = None
) -> str | None:
    """A raw UPDATE as the tables' owner, with the columns that the listed event would have, but for a number that is wrong by so much."""
    claims = listed_event == "run.claimed"
    again = listed_event in ("run.retried", "task.retried")
    db.conn.execute("set role tollway_owner")
    try:
        return refused(db, _wrongly(MOVE, wrong), to_state, event, claims, again, *([to_state == "running"] * 5), task_id)
    finally:
        db.conn.execute("reset role")


def _wrongly(statement: str, wrong: tuple[str, int] | None) -> str:
    """The statement with a column's new value moved away from what is right."""
    if wrong is None:
        return statement
    column, by = wrong
    return statement.replace(f"{column} = {column} +", f"{column} = {column} + ({by}) +")


def events(db: Database, from_state: str, to_state: str) -> list[str]:
    rows = db.rows("select event from absurd.transition where from_state = %s and to_state = %s order by 1", from_state, to_state)
    return [event for (event,) in rows]


@pytest.mark.parametrize(("from_state", "to_state"), list(product(STATES, STATES)))
def test_a_raw_move_is_allowed_exactly_when_it_is_listed(db: Database, from_state: str, to_state: str) -> None:
    listed = events(db, from_state, to_state)
    task_id = task_in(db, from_state)
    before = log(db, task_id)

    if from_state == to_state:
        assert refused(db, "update absurd.task set state = state where task_id = %s", task_id) is None
        assert log(db, task_id) == before
        return
    outcome = move(db, task_id, to_state, None, listed[0] if listed else None)

    if len(listed) == 1:
        assert outcome is None
        assert log(db, task_id) == [*before, listed[0]]
    else:
        assert outcome == "TW101"
        assert (state(db, task_id), log(db, task_id)) == (from_state, before)
    assert db.verify() == []


def test_a_move_that_names_its_event_goes_through_for_each_listed_one(db: Database) -> None:
    listed = db.rows("select from_state, to_state, event from absurd.transition where from_state <> 'new' and to_state <> 'purged'")

    for from_state, to_state, event in listed:
        task_id = task_in(db, from_state)
        assert move(db, task_id, to_state, event, event) is None, (from_state, to_state, event)
        assert log(db, task_id)[-1] == event
        db.one("select count(absurd.cancel_task(%s, task_id)) >= 0 from absurd.task where ended_at is null", Q)
    assert db.verify() == []


def test_an_event_that_is_not_listed_for_the_move_is_refused(db: Database) -> None:
    all_events = [event for (event,) in db.rows("select distinct event from absurd.transition")]

    for from_state, to_state in product(STATES, STATES):
        task_id = task_in(db, from_state)
        for event in {*all_events, "run.invented"} - set(events(db, from_state, to_state)):
            assert move(db, task_id, to_state, event, event) == "TW101", (from_state, to_state, event)
        assert state(db, task_id) == from_state
        db.one("select count(absurd.cancel_task(%s, task_id)) >= 0 from absurd.task where ended_at is null", Q)


@pytest.mark.parametrize("by", [-1, 1, 2])
def test_attempt_and_epoch_change_as_the_move_says(db: Database, by: int) -> None:
    """Each listed move, with the number by so much beside what it is to be."""
    for from_state, to_state in product(STATES, STATES):
        task_id = task_in(db, from_state)
        for event, column in product(events(db, from_state, to_state), ("attempt", "claim_epoch")):
            assert move(db, task_id, to_state, event, event, (column, by)) in ("TW101", "23514"), (from_state, to_state, event)
            assert state(db, task_id) == from_state
        db.one("select count(absurd.cancel_task(%s, task_id)) >= 0 from absurd.task where ended_at is null", Q)


@pytest.mark.parametrize("first", STATES)
def test_a_task_begins_only_as_pending_or_sleeping(db: Database, first: str) -> None:
    insert = """insert into absurd.task (task_id, queue_name, task_name, state, available_at, params, workflow_run_id)
                select i.id, 'q', 'raw', %s, now(), '{}', i.id from (select absurd.task_id_of(absurd.portable_uuidv7()) as id) i"""

    outcome = refused(db, insert, first)

    assert outcome == (None if events(db, "new", first) else "TW101")
    assert db.one("select count(*) from absurd.workflow_run") == (outcome is None)
    assert db.verify() == []


@pytest.mark.parametrize(
    ("column", "value"),
    [("claim_epoch", "5"), ("attempt", "2"), ("task_id", "'01900000-0000-7000-8000-000001000001'"), ("queue_name", "'nowhere'")],
)
def test_a_task_begins_unclaimed_with_its_first_attempt_in_a_queue(db: Database, column: str, value: str) -> None:
    values = {
        "task_id": "'01900000-0000-7000-8000-000001000000'", "queue_name": "'q'", "task_name": "'raw'", "state": "'pending'",
        "available_at": "now()", "params": "'{}'", "workflow_run_id": "'01900000-0000-7000-8000-000001000000'",
        "claim_epoch": "0", "attempt": "1",
    }  # fmt: skip
    values[column] = value
    values["workflow_run_id"] = values["task_id"]

    outcome = refused(db, f"insert into absurd.task ({', '.join(values)}) values ({', '.join(values.values())})")

    assert outcome == ("42P01" if column == "queue_name" else "TW101")
    assert db.rows("select from absurd.task") == []


@pytest.mark.parametrize("last", STATES)
def test_a_row_is_deleted_only_once_it_is_over(db: Database, last: str) -> None:
    task_id = task_in(db, last)

    outcome = refused(db, "delete from absurd.task where task_id = %s", task_id)

    over = last in ("completed", "failed", "cancelled")
    assert outcome == (None if over else "TW104")
    assert (log(db, task_id)[-1] == "task.purged") is over
    assert db.verify() == []


@pytest.mark.parametrize("last", STATES)
def test_drop_queue_purges_a_task_in_any_state(db: Database, last: str) -> None:
    task_id = task_in(db, last)

    db.one("select absurd.drop_queue(%s) is null", Q)

    assert log(db, task_id)[-1] == "task.purged"
    assert db.verify() == []


def test_a_purged_task_is_listed_for_every_state_and_is_final(db: Database) -> None:
    rows = db.rows("select from_state from absurd.transition where to_state = 'purged' order by 1")

    assert [name for (name,) in rows] == sorted(STATES)
    assert db.rows("select from absurd.transition where from_state = 'purged' or to_state = 'new'") == []


def test_without_the_gate_an_unlisted_move_goes_through_control(db: Database) -> None:
    """It is the gate that refuses: the same statement is free without its triggers, and verify() sees all of it."""
    task_id = task_in(db, "pending")
    assert move(db, task_id, "sleeping", None, None) == "TW101"

    db.conn.execute("drop trigger zzz_gate_check_update on absurd.task; drop trigger zzz_gate_project_update on absurd.task")

    assert move(db, task_id, "sleeping", None, None) is None
    assert {row[0] for row in db.verify()} == {"trigger_is_there", "log_head_is_the_state", "workflow_run_status_agrees"}
