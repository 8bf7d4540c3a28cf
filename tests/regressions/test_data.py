"""Names, rows and documents that the engine whose interface this one keeps takes amiss: the defects of that kind, by their numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import claim_one, log, make_queue, op, refused, running, spawn, state, statuses, sync


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


# --- R18: names that are other names -----------------------------------------------------------------------------------------

LONG = "n" * 56
NAMES = ["pp", "pp_d", "PP", "pp ", "pp_key", "pp_pkey", "ask", "un", "ask_ready", '"; drop schema absurd; --', LONG + "a", LONG + "b"]


def test_r18_a_queue_is_its_own_whatever_it_is_called(db: Database) -> None:
    """Partitions, indexes, case, blanks, quotes, and 57 bytes that differ in the last."""
    for n, name in enumerate(NAMES):
        make_queue(db, name)
        for _ in range(n + 1):
            spawn(db, name)

    for n, name in enumerate(NAMES):
        view = '"t_{}"'.format(name.replace('"', '""'))
        assert len(db.rows(f"select from absurd.{view}")) == n + 1
    for n, name in enumerate(NAMES):
        db.rows("select absurd.drop_queue(%s)", name)
        left = dict(db.rows("select queue_name, count(*) from absurd.task group by 1"))
        assert left == {other: m + 1 for m, other in enumerate(NAMES) if m > n}
    assert db.verify() == []


def test_r18_no_relation_of_ours_can_be_a_queues(db: Database) -> None:
    ours = db.rows(
        """select c.relname from pg_class c where c.relnamespace = 'absurd'::regnamespace
           and c.relname !~ '_q$' and (c.relname ~ '^[trcewi]_')"""
    )

    assert ours == []


# --- R22: what no function checked -------------------------------------------------------------------------------------------


def test_r22_a_task_has_one_active_run_because_there_is_one_row(db: Database) -> None:
    """The live run is the task's own row; an ended attempt has one row, and a second is a unique violation."""
    task = running(db)
    sync(db, [op("fail", task, reason={"name": "E"}, retry_in=0)])
    copy = "insert into absurd.run select (jsonb_populate_record(r, %s)).* from absurd.run r where task_id = %s"

    assert refused(db, copy, "{}", task.task_id) == "23505"
    assert db.one("select count(*) from absurd.r_q where task_id = %s and state in ('pending', 'sleeping', 'running')", task.task_id) == 1


@pytest.mark.parametrize(
    ("move", "after"),
    [
        ("state = 'completed', result = '1'", "completed"),
        ("state = 'failed', error = '{}'", "failed"),
        ("state = 'cancelled', error = '{}'", "cancelled"),
        ("state = 'sleeping', move_event = 'run.suspended', available_at = 'infinity'", "sleeping"),
    ],
)
def test_r22_direct_dml_cannot_drift(db: Database, move: str, after: str) -> None:
    """By the owner, around every function: the log, the attempt and workflow_run follow, or nothing happens."""
    task = running(db)

    db.conn.execute(f"update absurd.task set {move} where task_id = %s", (task.task_id,))

    assert len(log(db, task.task_id)) == 3
    assert db.one("select status from absurd.workflow_run where workflow_run_id = %s", task.task_id) == after
    assert db.one("select count(*) from absurd.run where task_id = %s", task.task_id) == (after != "sleeping")
    assert db.verify() == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("delete from absurd.wait", "sleeping_for_ever_has_a_wait"),
        ("insert into absurd.wait (task_id, step_name, queue_name, event_name, attempt) "
         "select task_id, 'x', queue_name, 'x', attempt from absurd.task where state = 'running'", "wait_belongs_to_a_sleeping_task"),
        ("insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch) "
         "select task_id, 'x', queue_name, '1', attempt, 99 from absurd.task where state = 'running'", "checkpoint_epoch_was_current"),
        ("insert into absurd.run (task_id, attempt, run_id, queue_name, state, claim_epoch, created_at, available_at, ended_at) "
         "select task_id, attempt, absurd.run_id_of(task_id, attempt), queue_name, 'failed', claim_epoch, now(), now(), now() "
         "from absurd.task where state = 'running'", "ended_attempts_are_recorded_once"),
    ],
)  # fmt: skip
def test_r22_what_no_constraint_can_see_verify_names(db: Database, statement: str, found: str) -> None:
    sync(db, [op("await", running(db), step="s", event="e")])
    running(db)
    assert db.verify() == []

    db.conn.execute(statement)  # type: ignore[call-overload]

    assert {row[0] for row in db.verify()} == {found}


# --- R24: documents that break whoever reads them ----------------------------------------------------------------------------

DEEP = "[" * 6_000 + "]" * 6_000
LARGE = json.dumps("x" * 10_000_000)
DOORS: dict[str, str] = {
    "params": "select * from absurd.spawn_task('q', 't', %(document)s)",
    "headers": "select * from absurd.spawn_task('q', 't', '1', jsonb_build_object('headers', %(document)s::jsonb))",
    "many": "select * from absurd.spawn_tasks('q', jsonb_build_array(jsonb_build_object('task_name', 't', 'params', %(document)s::jsonb)))",
    "checkpoint": "select absurd.set_task_checkpoint_state('q', %(task)s, 's', %(document)s, %(run)s, null, 1)",
    "result": "select absurd.complete_run('q', %(run)s, %(document)s, 1)",
    "reason": "select absurd.fail_run('q', %(run)s, %(document)s, null, 1)",
    "event": "select absurd.emit_event('q', 'e', %(document)s)",
}


@pytest.mark.parametrize(("document", "code"), [(DEEP, "TW303"), (LARGE, "TW302")], ids=["deep", "large"])
@pytest.mark.parametrize("door", DOORS)
def test_r24_a_document_that_would_break_its_readers_is_refused_at_every_door(db: Database, door: str, document: str, code: str) -> None:
    """And nothing of it is stored: the worker that holds the task goes on."""
    task = running(db)

    with db.conn.cursor() as cursor, pytest.raises(Exception) as caught:
        cursor.execute(DOORS[door], {"document": document, "task": task.task_id, "run": task.run_id})  # type: ignore[call-overload]

    assert getattr(caught.value, "sqlstate", None) == code
    assert (state(db, task.task_id), db.one("select count(*) from absurd.task")) == ("running", 1)
    sync(db, [op("complete", task, result=1)])
    assert db.verify() == []


@pytest.mark.parametrize(("document", "code"), [(DEEP, "TW303"), (LARGE, "TW302")], ids=["deep", "large"])
def test_r24_one_such_operation_spoils_no_other_of_its_call(db: Database, document: str, code: str) -> None:
    bad, good = running(db), running(db)
    ops: list[dict[str, Any]] = [op("complete", bad, result="HERE"), op("complete", good, result=1)]
    request = json.dumps({"queue": "q", "worker": "w", "ops": [{"n": n, **o} for n, o in enumerate(ops)]}, default=str)

    answer = db.one("select absurd.worker_sync(%s)", request.replace('"HERE"', document))

    assert statuses(answer) == ["refused", "ok"]
    assert answer["ops"][0]["sqlstate"] == code
    assert (state(db, bad.task_id), state(db, good.task_id)) == ("running", "completed")


def test_r24_the_largest_that_is_taken_is_claimed_again(db: Database) -> None:
    """64 levels and a MiB: a task with them runs."""
    for document in ("[" * 64 + "]" * 64, json.dumps("x" * (1_048_576 - 2))):
        db.rows("select * from absurd.spawn_task('q', 't', %s)", document)
        assert state(db, claim_one(db).task_id) == "running"
