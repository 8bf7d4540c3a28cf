"""The relations t_ r_ c_ e_ w_ of a queue: absurd's columns in absurd's order, exact, and read-only."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from fixtures.database import Database
from sql.helpers import Q, at, await_event, checkpoint, claim_one, complete, emit, expect_error, fail, one, prepare, run, running, spawn

COLUMNS = {
    "t": "task_id uuid, task_name text, params jsonb, headers jsonb, retry_strategy jsonb, max_attempts integer, cancellation jsonb,"
    " enqueue_at timestamptz, first_started_at timestamptz, state text, attempts integer, last_attempt_run uuid,"
    " completed_payload jsonb, cancelled_at timestamptz, idempotency_key text",
    "r": "run_id uuid, task_id uuid, attempt integer, state text, claimed_by text, claim_expires_at timestamptz,"
    " available_at timestamptz, wake_event text, event_payload jsonb, started_at timestamptz, completed_at timestamptz,"
    " failed_at timestamptz, result jsonb, failure_reason jsonb, created_at timestamptz",
    "c": "task_id uuid, checkpoint_name text, state jsonb, status text, owner_run_id uuid, updated_at timestamptz",
    "e": "event_name text, payload jsonb, emitted_at timestamptz",
    "w": "task_id uuid, run_id uuid, step_name text, event_name text, timeout_at timestamptz, created_at timestamptz",
}
HINTS = {"t": "spawn_task", "r": "claim_task", "c": "set_task_checkpoint_state", "e": "emit_event", "w": "await_event"}


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


@pytest.mark.parametrize("letter", COLUMNS)
def test_a_view_has_absurds_columns_in_absurds_order(db: Database, letter: str) -> None:
    rows = db.rows(
        """select attname || ' ' || replace(format_type(atttypid, null), 'timestamp with time zone', 'timestamptz')
           from pg_attribute where attrelid = format('absurd.%%I', %s::text)::regclass and attnum > 0 order by attnum""",
        f"{letter}_{Q}",
    )

    assert ", ".join(column for (column,) in rows) == COLUMNS[letter]


def write(letter: str, verb: str) -> str:
    column = COLUMNS[letter].split()[0]
    return {
        "insert": f"insert into absurd.{letter}_q ({column}) values (null)",
        "insert of no rows": f"insert into absurd.{letter}_q ({column}) select null where false",
        "update": f"update absurd.{letter}_q set {column} = null",
        "update of no rows": f"update absurd.{letter}_q set {column} = null where false",
        "delete": f"delete from absurd.{letter}_q",
        "delete of no rows": f"delete from absurd.{letter}_q where false",
    }[verb]


@pytest.mark.parametrize("letter", COLUMNS)
@pytest.mark.parametrize("verb", ["insert", "insert of no rows", "update", "update of no rows", "delete", "delete of no rows"])
def test_a_write_is_refused_and_told_the_function(db: Database, letter: str, verb: str) -> None:
    with expect_error("TW103", f'{verb.split()[0].upper()} on absurd."{letter}_q" is refused: it is a view', HINTS[letter]):
        db.conn.execute(write(letter, verb))


@pytest.mark.parametrize("letter", COLUMNS)
def test_a_copy_into_a_view_is_refused(db: Database, letter: str) -> None:
    with pytest.raises(psycopg.Error), db.conn.cursor().copy(f"copy absurd.{letter}_q from stdin") as copy:
        copy.write_row([None] * (COLUMNS[letter].count(",") + 1))

    assert db.rows(f"select * from absurd.{letter}_q") == []


@pytest.mark.parametrize("letter", COLUMNS)
def test_a_truncate_of_a_view_is_refused(db: Database, letter: str) -> None:
    with expect_error("42809"):
        db.conn.execute(f"truncate absurd.{letter}_q")


def test_a_task_that_waits_is_told_exactly(db: Database) -> None:
    task_id = spawn(db, params={"p": 1}, headers={"h": 1}, max_attempts=3, cancellation={"max_delay": 99}, idempotency_key="k")
    db.clock.set(at(1))
    task = claim_one(db)
    db.clock.set(at(2))
    await_event(db, task, timeout=50)

    assert one(db, "select * from absurd.t_q") == {
        "task_id": task_id, "task_name": "work", "params": {"p": 1}, "headers": {"h": 1}, "retry_strategy": None, "max_attempts": 3,
        "cancellation": {"max_delay": 99}, "enqueue_at": at(0), "first_started_at": at(1), "state": "sleeping", "attempts": 1,
        "last_attempt_run": task["run_id"], "completed_payload": None, "cancelled_at": None, "idempotency_key": "k",
    }  # fmt: skip
    assert one(db, "select * from absurd.r_q") == {
        "run_id": task["run_id"], "task_id": task_id, "attempt": 1, "state": "sleeping", "claimed_by": None, "claim_expires_at": None,
        "available_at": at(52), "wake_event": "e", "event_payload": None, "started_at": at(1), "completed_at": None, "failed_at": None,
        "result": None, "failure_reason": None, "created_at": at(0),
    }  # fmt: skip
    assert run(db, "select * from absurd.w_q") == [
        {"task_id": task_id, "run_id": task["run_id"], "step_name": "s", "event_name": "e", "timeout_at": at(52), "created_at": at(2)}
    ]
    assert run(db, "select * from absurd.e_q") == [
        {"event_name": "e", "payload": None, "emitted_at": db.one("select 'epoch'::timestamptz")}
    ]


def test_a_wait_without_a_time_out_is_available_at_infinity(db: Database) -> None:
    await_event(db, running(db))

    assert db.one("select available_at::text from absurd.r_q") == "infinity"
    assert db.one("select nullif(available_at, 'infinity') from absurd.r_q") is None


def test_ended_runs_keep_their_claim_and_say_how_they_ended(db: Database) -> None:
    task = running(db, max_attempts=2)
    db.clock.set(at(1))
    fail(db, task, {"name": "E"})
    again = claim_one(db)
    checkpoint(db, again, "a", None)
    db.clock.set(at(2))
    complete(db, again, {"x": 1})

    first, second = run(db, "select * from absurd.r_q order by attempt")
    assert (first["run_id"], first["state"], first["failed_at"], first["failure_reason"]) == (
        task["run_id"],
        "failed",
        at(1),
        {"name": "E"},
    )
    assert (first["claimed_by"], first["claim_expires_at"], first["result"], first["completed_at"]) == ("w1", at(30), None, None)
    assert (second["run_id"], second["state"], second["completed_at"], second["result"]) == (again["run_id"], "completed", at(2), {"x": 1})
    assert (second["claimed_by"], second["claim_expires_at"], second["failed_at"], second["created_at"]) == ("w1", at(31), None, at(1))
    told = one(db, "select state, attempts, last_attempt_run, completed_payload from absurd.t_q")
    assert told == {"state": "completed", "attempts": 2, "last_attempt_run": again["run_id"], "completed_payload": {"x": 1}}
    (kept,) = run(db, "select *, jsonb_typeof(state) as type from absurd.c_q")
    assert (kept["checkpoint_name"], kept["type"], kept["status"], kept["owner_run_id"], kept["updated_at"]) == (
        "a", "null", "committed", again["run_id"], at(1),
    )  # fmt: skip


def test_a_cancelled_run_loses_its_claim(db: Database) -> None:
    task = running(db)
    db.clock.set(at(1))
    run(db, "select absurd.cancel_task(%s, %s)", Q, task["task_id"])

    assert one(db, "select state, cancelled_at, completed_payload from absurd.t_q") == {
        "state": "cancelled", "cancelled_at": at(1), "completed_payload": None,
    }  # fmt: skip
    told = one(db, "select state, claimed_by, claim_expires_at, failure_reason, failed_at, completed_at from absurd.r_q")
    assert list(told.values()) == ["cancelled", None, None, None, None, None]


def test_a_view_shows_its_own_queue_only(db: Database) -> None:
    run(db, "select absurd.create_queue('r')")
    task = running(db)
    checkpoint(db, task)
    await_event(db, task, step="t")
    emit(db)

    assert [db.rows(f"select * from absurd.{letter}_r") for letter in COLUMNS] == [[]] * 5
    assert [len(db.rows(f"select * from absurd.{letter}_q")) for letter in COLUMNS] == [1, 1, 2, 1, 0]


ODD_NAMES = [
    *("   ", "\t", 'q"; drop table absurd.task; --', "it's", "%I %s %1$L", "Größe-✓"),
    *("9 lives", "UPPER", "a.b", "q_d", "\\", "é" * 28 + "x"),
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_of_up_to_57_bytes_is_only_data(db: Database, name: str) -> None:
    run(db, "select absurd.create_queue(%s)", name)
    task_id = spawn(db, queue=name, name=f"work {name}")
    views = [psycopg.sql.Identifier("absurd", f"{letter}_{name}").as_string(db.conn) for letter in COLUMNS]

    assert [len(run(db, f"select * from {view.replace('%', '%%')}")) for view in views] == [1, 1, 0, 0, 0]
    assert (name,) in db.rows("select * from absurd.list_queues()")
    with expect_error("TW103"):
        run(db, f"delete from {views[0].replace('%', '%%')}")
    run(db, "select absurd.cancel_task(%s, %s)", name, task_id)
    run(db, "select absurd.drop_queue(%s)", name)
    assert db.rows("select * from absurd.list_queues()") == [(Q,)]
    assert db.rows("select relname from pg_class where relnamespace = 'absurd'::regnamespace and relname = %s", f"t_{name}") == []


def test_r18_queues_whose_names_end_like_partitions_do_not_meet(db: Database) -> None:
    for name in ("pp", "pp_d", "PP", "pp "):
        run(db, "select absurd.create_queue(%s)", name)
        spawn(db, queue=name)

    for name in ("pp", "pp_d", "PP", "pp "):
        assert len(db.rows(f'select * from absurd."t_{name}"')) == 1
