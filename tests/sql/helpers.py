"""Short words for what the tests of the SQL functions do, and for what they look at afterwards."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from fixtures.database import Database

Q = "q"
T0 = datetime(2030, 1, 1, tzinfo=UTC)
NOBODY = uuid.UUID("00000000-0000-7000-8000-000000000000")

Row = dict[str, Any]


def at(seconds: float) -> datetime:
    """The frozen clock's moment so many seconds after the test began."""
    return T0 + timedelta(seconds=seconds)


def prepare(db: Database) -> None:
    """A still clock at T0, times written in UTC, and the queue."""
    db.conn.execute("set timezone = 'UTC'")
    db.clock.set(T0)
    db.conn.execute("select absurd.create_queue(%s)", (Q,))


def run(db: Database, query: str, *params: Any) -> list[Row]:
    """The rows as dictionaries; JSON parameters are given as json.dumps made them."""
    cursor = db.conn.cursor(row_factory=dict_row)
    cursor.execute(query, params)
    return cursor.fetchall() if cursor.description else []


def one(db: Database, query: str, *params: Any) -> Row:
    (row,) = run(db, query, *params)
    return row


def spawn(db: Database, queue: str = Q, name: str = "work", params: Any = 1, **options: Any) -> Any:
    return spawn_row(db, queue, name, params, **options)["task_id"]


def spawn_row(db: Database, queue: str = Q, name: str = "work", params: Any = 1, **options: Any) -> Row:
    return one(db, "select * from absurd.spawn_task(%s, %s, %s, %s)", queue, name, json.dumps(params), json.dumps(options, default=str))


def claim(db: Database, *, qty: int = 1, lease: int = 30, worker: str = "w1", queue: str = Q) -> list[Row]:
    return run(db, "select * from absurd.claim_tasks(%s, %s, %s, %s)", queue, worker, lease, qty)


def claim_one(db: Database, **options: Any) -> Row:
    (task,) = claim(db, **options)
    return task


def running(db: Database, **options: Any) -> Row:
    spawn(db, **options)
    return claim_one(db)


def complete(db: Database, task: Row, result: Any = "done", epoch: int | None = None) -> None:
    db.conn.execute("select absurd.complete_run(%s, %s, %s, %s)", (Q, task["run_id"], json.dumps(result), epoch))


def fail(db: Database, task: Row, reason: Any = "why", retry_at: datetime | None = None, *, retryable: bool = True) -> None:
    db.conn.execute(
        "select absurd.fail_run(%s, %s, %s, %s, p_retryable => %s)", (Q, task["run_id"], json.dumps(reason), retry_at, retryable)
    )


def await_event(db: Database, task: Row, event: str = "e", timeout: int | None = None, epoch: int | None = None, step: str = "s") -> Row:
    return one(
        db, "select * from absurd.await_event(%s, %s, %s, %s, %s, %s, %s)", Q, task["task_id"], task["run_id"], step, event, timeout, epoch
    )


def emit(db: Database, event: str = "e", payload: Any = "payload") -> None:
    db.conn.execute("select absurd.emit_event(%s, %s, %s)", (Q, event, json.dumps(payload)))


def checkpoint(db: Database, task: Row, step: str = "s", state: Any = 1, extend: int | None = None, epoch: int | None = None) -> None:
    db.conn.execute(
        "select absurd.set_task_checkpoint_state(%s, %s, %s, %s, %s, %s, %s)",
        (Q, task["task_id"], step, json.dumps(state), task["run_id"], extend, epoch),
    )


def task_in(db: Database, wanted: str) -> Row:
    """A task in that state, with the run and the epoch of its last claim."""
    if wanted == "pending":
        task_id = spawn(db)
        return {"task_id": task_id, "run_id": run_id(db, task_id), "claim_epoch": 0}
    task = running(db)
    if wanted == "sleeping":
        db.conn.execute("select absurd.schedule_run(%s, %s, %s)", (Q, task["run_id"], at(60)))
    elif wanted == "completed":
        complete(db, task)
    elif wanted == "failed":
        fail(db, task, retryable=False)
    elif wanted == "cancelled":
        db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, task["task_id"]))
    assert state(db, task["task_id"]) == wanted
    return task


def state(db: Database, task_id: Any) -> str:
    return str(db.one("select state from absurd.task where task_id = %s", task_id))


def run_id(db: Database, task_id: Any) -> Any:
    return db.one("select absurd.run_id_of(task_id, attempt) from absurd.task where task_id = %s", task_id)


def log(db: Database, task_id: Any) -> list[Row]:
    return run(db, "select * from absurd.absurd_event_log where task_id = %s order by seq", task_id)


def workflow(db: Database, task_id: Any) -> Row:
    return one(db, "select * from absurd.workflow_run where workflow_run_id = %s", task_id)


def status(db: Database, task_id: Any) -> Row | None:
    rows = run(db, "select * from absurd.task_runtime_status where task_id = %s", task_id)
    return rows[0] if rows else None


@contextmanager
def expect_error(sqlstate: str, message: str | None = None, hint: str | None = None) -> Iterator[None]:
    """The block ends with this SQLSTATE, exactly this message, and a hint that has this text."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    diagnosis = caught.value.diag
    assert (caught.value.sqlstate, diagnosis.message_primary) == (sqlstate, diagnosis.message_primary if message is None else message)
    assert (hint or "") in (diagnosis.message_hint or "")
