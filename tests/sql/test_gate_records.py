"""What a move owes is written whatever statement made it; what is derived cannot be written by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.database import Database
from races.schedule import Q, claim_one, log, make_queue, op, refused, running, spawn, state, sync

FAIL = """update absurd.task set state = 'failed', move_event = 'run.failed', error = '{"name": "raw"}', move_detail = '{"why": "raw"}'
          where task_id = %s"""


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def test_a_raw_move_writes_the_log_the_workflow_run_and_the_ended_attempt(db: Database) -> None:
    task = running(db)

    db.conn.execute(FAIL, (task.task_id,))

    assert db.one(
        "select seq, from_state, to_state, worker, claim_epoch, attempt, run_id, via, detail from absurd.absurd_event_log "
        "where task_id = %s order by seq desc limit 1",
        task.task_id,
    ) == (3, "running", "failed", "w1", 1, 1, task.run_id, "sql", {"why": "raw"})
    assert db.one(
        "select status, error, completed_at is not null, attempts from absurd.workflow_run where workflow_run_id = %s", task.task_id
    ) == ("failed", {"name": "raw"}, True, 1)
    assert db.one("select state, claim_epoch, claimed_by, run_id, failure_reason from absurd.run where task_id = %s", task.task_id) == (
        "failed",
        1,
        "w1",
        task.run_id,
        {"name": "raw"},
    )
    assert db.verify() == []


def test_the_gate_stays_on_under_session_replication_role_replica(db: Database) -> None:
    task, pending = running(db), spawn(db)
    db.conn.execute("set session_replication_role = replica")

    assert refused(db, "update absurd.task set state = 'completed' where task_id = %s", pending) == "TW101"
    assert refused(db, "delete from absurd.task where task_id = %s", pending) == "TW104"
    assert refused(db, "update absurd.workflow_run set status = 'failed'") == "TW102"
    assert refused(db, "delete from absurd.absurd_event_log") == "TW104"
    db.conn.execute(FAIL, (task.task_id,))

    assert log(db, task.task_id)[-1] == "run.failed"
    db.conn.execute("reset session_replication_role")
    assert db.verify() == []


def test_an_ordinary_trigger_is_silent_under_replica_control(db: Database) -> None:
    """ENABLE ALWAYS is what keeps the gate on: with a plain trigger the same move leaves no trace, but for verify()."""
    task = running(db)
    db.conn.execute("alter table absurd.task enable trigger zzz_gate_project_update")
    db.conn.execute("set session_replication_role = replica")

    db.conn.execute(FAIL, (task.task_id,))

    assert log(db, task.task_id)[-1] == "run.claimed"
    assert {"trigger_is_enabled_always", "log_head_is_the_state"} <= {row[0] for row in db.verify()}


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("task_id = absurd.task_id_of(absurd.portable_uuidv7())", "TW101"),
        ("queue_name = 'other'", "TW101"),
        ("task_name = 'other'", "TW101"),
        ("parent_task_id = absurd.portable_uuidv7()", "TW101"),
        ("workflow_run_id = absurd.portable_uuidv7()", "TW101"),
        ("claim_epoch = claim_epoch - 1", "TW101"),
        ("claim_epoch = claim_epoch + 1", "TW101"),
        ("attempt = attempt + 1", "TW101"),
        ("claimed_by = 'thief'", "TW101"),
        ("result = '1'", "TW101"),
        ("error = '1'", "TW101"),
        ("ended_at = now()", "TW101"),
        ("state = 'completed', claim_epoch = claim_epoch + 1", "TW101"),
        ("state = 'completed', attempt = attempt + 1", "TW101"),
        ("state = 'pending', move_event = 'run.retried'", "TW101"),
        ("claim_expires_at = null", "23514"),
    ],
)
def test_what_makes_a_task_itself_never_changes(db: Database, assignment: str, expected: str) -> None:
    task = running(db)

    assert refused(db, f"update absurd.task set {assignment} where task_id = %s", task.task_id) == expected
    assert db.verify() == []


def test_the_gates_own_columns_keep_their_values_whatever_a_statement_gives(db: Database) -> None:
    task = running(db)
    own = "select seq, moved, last_event, last_state, move_detail, last_worker, ended_attempt, log_hash from absurd.task where task_id = %s"
    db.conn.execute("update absurd.task set heartbeat_at = now() where task_id = %s", (task.task_id,))
    before = db.one(own, task.task_id)

    db.conn.execute(
        """update absurd.task set seq = 77, moved = true, last_event = 'run.failed', last_state = 'new', move_detail = '1',
           last_worker = 'x', ended_attempt = 9, ended_lease = now(), log_hash = 'x' where task_id = %s""",
        (task.task_id,),
    )

    assert db.one(own, task.task_id) == before
    assert log(db, task.task_id) == ["task.spawned", "run.claimed"]
    assert db.verify() == []


def test_an_event_that_is_born_emitted_wakes_and_is_logged_like_any(db: Database) -> None:
    """By an INSERT of the owner's; the functions make the row first and emit it then."""
    task = running(db)
    sync(db, [op("await", task, step="s", event="e")])
    db.conn.execute("delete from absurd.event")

    db.conn.execute("insert into absurd.event (queue_name, event_name, payload, emitted_at) values ('q', 'e', '7', now())")

    assert state(db, task.task_id) == "pending"
    assert db.one("select detail from absurd.absurd_event_log where event = 'event.emitted'") == {"event": "e", "woken": 1}
    assert db.verify() == []


def test_an_event_is_guarded_in_a_replica_session_too(db: Database) -> None:
    """Born emitted it is logged, and stays as it is: both triggers are ENABLE ALWAYS."""
    db.conn.execute("set session_replication_role = replica")

    db.conn.execute("insert into absurd.event (queue_name, event_name, payload, emitted_at) values ('q', 'e', '7', now())")

    assert refused(db, "update absurd.event set payload = '8'") == "TW101"
    db.conn.execute("reset session_replication_role")
    assert db.one("select count(*) from absurd.absurd_event_log where event = 'event.emitted'") == 1


RECORDS = ["task", "event", "checkpoint", "run", "absurd_event_log", "workflow_run", "wait"]


@pytest.mark.parametrize("table", RECORDS)
def test_no_record_can_be_truncated(db: Database, table: str) -> None:
    assert refused(db, f"truncate absurd.{table}") == "TW104"
    assert refused(db, f"truncate absurd.{table} cascade") == "TW104"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("update absurd.absurd_event_log set via = 'x'", "TW102"),
        ("delete from absurd.absurd_event_log", "TW104"),
        ("update absurd.checkpoint set state = '2'", "TW102"),
        ("delete from absurd.checkpoint", "TW104"),
        ("update absurd.run set state = 'cancelled'", "TW102"),
        ("delete from absurd.run", "TW104"),
        ("update absurd.workflow_run set status = 'completed'", "TW102"),
        ("update absurd.workflow_run set attempts = 9", "TW102"),
        ("update absurd.workflow_run set completed_at = now()", "TW102"),
        ("update absurd.workflow_run set result = '1'", "TW102"),
        ("update absurd.workflow_run set error = '1'", "TW102"),
        ("update absurd.workflow_run set absurd_run_id = workflow_run_id", "TW102"),
        ("update absurd.workflow_run set purged_at = now()", "TW102"),
        ("delete from absurd.workflow_run", "TW104"),
        (
            "insert into absurd.workflow_run select absurd.portable_uuidv7(), null, 'x', null, null, 'pending', 'q', "
            "absurd.portable_uuidv7(), null, null, null, '{}', null, 1, now(), null, null, now(), null",
            "TW102",
        ),
        ("delete from absurd.task", "TW104"),
        ("update absurd.event set payload = '2' where emitted_at is not null", "TW101"),
        ("update absurd.event set emitted_at = null, payload = null where emitted_at is not null", "TW101"),
    ],
)
def test_a_record_cannot_be_written_by_hand(db: Database, statement: str, expected: str) -> None:
    task = running(db)
    db.one("select absurd.emit_event(%s, 'e', '1') is null", Q)
    sync(db, [op("checkpoint", task, step="s", state=1), op("fail", task, reason={"name": "E"}, retry_in=0)])
    claim_one(db)

    db.conn.execute("set role tollway_owner")
    outcome = refused(db, statement)
    db.conn.execute("reset role")

    assert outcome == expected
    assert db.verify() == []


def test_a_status_set_by_hand_is_accepted_only_where_it_says_what_the_task_says(db: Database) -> None:
    task_id = spawn(db)

    assert refused(db, "update absurd.workflow_run set status = 'pending', updated_at = now() where workflow_run_id = %s", task_id) is None
    assert refused(db, "update absurd.workflow_run set status = 'running' where workflow_run_id = %s", task_id) == "TW102"


def test_copy_into_the_task_table_is_projected_too(db: Database) -> None:
    task_id = db.one("select absurd.task_id_of(absurd.portable_uuidv7())")
    columns = "task_id, queue_name, task_name, state, available_at, params, workflow_run_id"

    with db.conn.cursor().copy(f"copy absurd.task ({columns}) from stdin") as copy:
        copy.write_row((task_id, Q, "copied", "pending", "2020-01-01", "{}", task_id))

    assert log(db, task_id) == ["task.spawned"]
    assert db.one("select status, workflow_name from absurd.workflow_run where workflow_run_id = %s", task_id) == ("pending", "copied")
    assert claim_one(db).task_id == task_id
    assert db.verify() == []


def test_copy_cannot_bring_a_task_that_runs_already(db: Database) -> None:
    task_id = db.one("select absurd.task_id_of(absurd.portable_uuidv7())")

    columns = "task_id, queue_name, task_name, state, available_at, params, workflow_run_id"
    with (
        pytest.raises(Exception, match="cannot begin as running"),
        db.conn.cursor().copy(f"copy absurd.task ({columns}) from stdin") as copy,
    ):
        copy.write_row((task_id, Q, "copied", "running", "2020-01-01", "{}", task_id))

    assert db.rows("select from absurd.workflow_run") == []


def test_one_statement_that_moves_many_tasks_logs_each(db: Database) -> None:
    ids = [spawn(db) for _ in range(20)]

    db.conn.execute("update absurd.task set state = 'cancelled', error = '1'")

    assert all(log(db, i) == ["task.spawned", "task.cancelled"] for i in ids)
    assert db.one("select count(*) from absurd.workflow_run where status = 'cancelled'") == 20
    assert db.verify() == []


def test_a_raw_cancel_takes_children_and_awaiters_along(db: Database) -> None:
    """The gate, not cancel_task, is what does it."""
    parent = running(db)
    child = spawn(db, parent_task_id=str(parent.task_id), delay_seconds=60)
    detached = spawn(db, parent_task_id=str(parent.task_id), detached=True, delay_seconds=60)
    spawn(db)
    awaiter = claim_one(db)
    sync(db, [op("await_task", awaiter, step="s", task=parent.task_id)])

    db.conn.execute("update absurd.task set state = 'cancelled', error = '1' where task_id = %s", (parent.task_id,))

    assert (state(db, child), state(db, detached), state(db, awaiter.task_id)) == ("cancelled", "sleeping", "pending")
    assert db.verify() == []


def test_a_refused_statement_leaves_nothing_behind(db: Database) -> None:
    """One bad row in a statement takes the good ones back with it: no log row without its move."""
    good, bad = spawn(db), spawn(db)
    db.one("select absurd.cancel_task(%s, %s) is null", Q, bad)

    assert refused(db, "update absurd.task set state = 'cancelled', move_event = 'task.cancelled', result = null") == "TW101"

    assert log(db, good) == ["task.spawned"]
    assert db.verify() == []


def test_the_log_tells_the_time_of_the_database(db: Database) -> None:
    db.clock.freeze()
    task_id = spawn(db)
    db.clock.advance(timedelta(hours=2))
    claim_one(db)

    first, second = (at for (at,) in db.rows("select at from absurd.absurd_event_log where task_id = %s order by seq", task_id))

    assert second - first == timedelta(hours=2)
