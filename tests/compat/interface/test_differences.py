"""Where a call without a claim epoch differs from absurd's: rows of docs/reference/absurd-compatibility.md that no other test shows."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from fixtures.database import Database
from sql.helpers import (
    at,
    await_event,
    checkpoint,
    claim,
    claim_one,
    complete,
    emit,
    expect_error,
    fail,
    log,
    one,
    run,
    running,
    spawn,
    state,
    workflow,
)  # fmt: skip

MANY = "select absurd.spawn_task('q', 'work', '1', {options}) from generate_series(1, {n})"
STATES = "select state, count(*) from absurd.task group by 1 order by 1"


def test_a_sweep_takes_a_hundred_leases_whatever_the_claim_asked_for(db: Database) -> None:
    run(db, MANY.format(n=101, options="'{\"max_attempts\": 1}'"))
    claim(db, qty=200, lease=5)
    db.clock.set(at(5))

    assert claim(db, qty=1) == []
    assert db.rows(STATES) == [("failed", 100), ("running", 1)]
    claim(db, qty=1)
    assert db.rows(STATES) == [("failed", 101)]


def test_a_rule_cancels_a_hundred_tasks_a_claim_and_none_beyond_it_is_started(db: Database) -> None:
    run(db, MANY.format(n=101, options='\'{"cancellation": {"max_delay": 5}}\''))
    db.clock.set(at(5))

    assert claim(db, qty=5) == []
    assert db.rows(STATES) == [("cancelled", 100), ("pending", 1)]
    claim(db)
    assert db.rows(STATES) == [("cancelled", 101)]


def test_a_row_that_another_session_holds_is_left_to_the_next_claim(db: Database) -> None:
    task = running(db, max_attempts=1)
    waiting = spawn(db)
    other = db.connect(autocommit=False)
    other.execute("select from absurd.task where task_id = %s for update", (task["task_id"],))
    db.clock.set(at(31))
    db.conn.execute("set lock_timeout = '2s'")

    assert [row["task_id"] for row in claim(db, qty=5)] == [waiting]
    other.rollback()
    claim(db)
    assert state(db, task["task_id"]) == "failed"


def test_a_row_of_a_view_is_locked_by_its_owner_only(db: Database) -> None:
    """To lock is a right of those who may write: nobody but the owner, whom nobody logs in as."""
    running(db)
    for letter in "trcew":
        for role in ("tollway_operator", "tollway_reader"):
            with db.conn.transaction(force_rollback=True):
                db.conn.execute(f"set local role {role}")
                assert db.rows(f"select count(*) from absurd.{letter}_q")
                with expect_error("42501"):
                    db.conn.execute(f"select * from absurd.{letter}_q for share")
        assert db.conn.execute(f"select * from absurd.{letter}_q for share").fetchall() is not None


@pytest.mark.parametrize("statement", ["do nothing", "do update set payload = '1'"])
def test_a_write_on_conflict_is_refused_by_the_database(db: Database, statement: str) -> None:
    """Before any trigger is asked: a view has no unique index."""
    with expect_error("42P10"):
        run(db, f"insert into absurd.e_q (event_name, payload) values ('e', '1') on conflict (event_name) {statement}")
    with expect_error("TW103", hint="Use absurd.emit_event or cleanup_events."):
        run(db, "insert into absurd.e_q (event_name, payload) values ('e', '1')")


def test_the_run_that_a_failure_cancels_is_cancelled_and_its_reason_in_the_log(db: Database) -> None:
    """absurd has its run failed and its task cancelled; here the task has one state, and its last run shows it."""
    task = running(db, cancellation={"max_duration": 5}, retry_strategy={"kind": "fixed", "base_seconds": 10})
    fail(db, task, {"message": "why"})

    assert (state(db, task["task_id"]), one(db, "select state, failure_reason from absurd.r_q")) == (
        "cancelled", {"state": "cancelled", "failure_reason": None},
    )  # fmt: skip
    assert log(db, task["task_id"])[-1]["detail"] == {"reason": {"message": "why"}, "rule": "max_duration"}
    assert workflow(db, task["task_id"])["error"]["rule"] == "max_duration"
    with expect_error("AB001", "Task has been cancelled"):
        complete(db, task)


def test_a_wait_that_timed_out_keeps_its_row_until_the_claim(db: Database) -> None:
    task = running(db)
    await_event(db, task, timeout=1)
    db.clock.set(at(2))
    emit(db)
    assert len(run(db, "select * from absurd.w_q")) == 1
    claim_one(db)

    assert run(db, "select * from absurd.w_q") == []


@pytest.mark.parametrize("step", ["", "  "])
def test_a_wait_needs_a_step_with_a_name(db: Database, step: str) -> None:
    with expect_error("P0001", "step_name must be provided"):
        await_event(db, running(db), step=step)


def test_the_runs_own_id_stands_for_its_task_in_a_checkpoint(db: Database) -> None:
    """The origin's old client gives it so; absurd keeps that as a row of no task."""
    task = running(db)
    checkpoint(db, task | {"task_id": task["run_id"]}, "a", 7, extend=60)

    assert db.rows("select task_id, checkpoint_name, state from absurd.c_q") == [(task["task_id"], "a", 7)]
    assert one(db, "select claim_expires_at from absurd.r_q") == {"claim_expires_at": at(60)}
    with expect_error("P0001", f'Run "{task["run_id"]}" not found for checkpoint'):
        checkpoint(db, task | {"task_id": None}, "a")


def test_attempts_end_where_a_run_id_has_no_more_room(db: Database) -> None:
    task = running(db)
    outcome = """select o.state from absurd.task t,
                 absurd._fail_outcome(jsonb_populate_record(t, jsonb_build_object('attempt', %s)), '1', null, true, absurd.current_time()) o
                 where t.task_id = %s"""

    assert db.one(outcome, 2**24 - 2, task["task_id"]) == "pending"
    assert db.one(outcome, 2**24 - 1, task["task_id"]) == "failed"


def test_after_a_crash_the_next_attempt_still_knows_that_its_wait_timed_out(db: Database) -> None:
    await_event(db, running(db), timeout=1)
    db.clock.set(at(1))
    claim_one(db)
    db.clock.set(at(32))
    second = claim_one(db)

    assert (second["attempt"], second["wake_event"], second["event_payload"]) == (2, "e", None)
    assert await_event(db, second) == {"should_suspend": False, "payload": None}


def test_a_queue_whose_tasks_are_being_changed_is_not_dropped_now(db: Database) -> None:
    task = spawn(db)
    other = db.connect(autocommit=False)
    other.execute("select absurd.cancel_task('q', %s)", (task,))

    with expect_error("55P03"):
        run(db, "select absurd.drop_queue('q')")
    other.rollback()
    run(db, "select absurd.drop_queue('q')")
    assert run(db, "select * from absurd.list_queues()") == []


OURS = {
    "priority": "high", "delay_seconds": -1, "start_at": "soon", "deadline": 5, "deadline_seconds": "x", "tags": "a", "created_by": 1,
    "detached": "no", "workflow_version": [], "workflow_hash": {}, "parent_task_id": "x",
}  # fmt: skip


@pytest.mark.parametrize("option", OURS)
def test_an_option_of_ours_is_read_not_ignored(db: Database, option: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        spawn(db, **{option: OURS[option]})

    assert refused.value.sqlstate == "TW301"


@pytest.mark.parametrize(("options", "code"), [({"idempotency_key": "k" * 1025}, "TW301"), ({"idempotency_key": "on_move:1"}, "TW301")])
def test_a_key_has_its_limits(db: Database, options: dict[str, Any], code: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        spawn(db, **options)

    assert refused.value.sqlstate == code
