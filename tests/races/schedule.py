"""Sessions that a test runs against one another in an order of its own, and short words for what they do.

Nothing here sleeps: that a session waits for another is seen through pg_blocking_pids, within a deadline.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import psycopg

from fixtures.database import Database

DEADLINE_SECONDS = 20.0
Q = "q"


@dataclass(frozen=True, slots=True)
class Task:
    task_id: Any
    run_id: Any
    epoch: int
    attempt: int


def make_queue(db: Database, name: str = Q) -> None:
    db.conn.execute("set lock_timeout = '10s'")  # a test that blocks itself fails, and does not hang
    db.one("select absurd.create_queue(%s) is not null", name)


def spawn(db: Database, queue: str = Q, name: str = "work", **options: Any) -> Any:
    return db.one("select task_id from absurd.spawn_task(%s, %s, '1', %s)", queue, name, json.dumps(options))


def claim(db: Database, queue: str = Q, *, qty: int = 1, lease: int = 30, worker: str = "w1") -> list[Task]:
    rows = db.rows("select task_id, run_id, claim_epoch, attempt from absurd.claim_tasks(%s, %s, %s, %s)", queue, worker, lease, qty)
    return [Task(*row) for row in rows]


def claim_one(db: Database, queue: str = Q, *, lease: int = 30, worker: str = "w1") -> Task:
    (task,) = claim(db, queue, lease=lease, worker=worker)
    return task


def running(db: Database, **options: Any) -> Task:
    """A task that has just been claimed; no other may be waiting in the queue."""
    spawn(db, **options)
    return claim_one(db)


def state(db: Database, task_id: Any) -> str:
    return str(db.one("select state from absurd.task where task_id = %s", task_id))


def log(db: Database, task_id: Any) -> list[str]:
    rows = db.rows("select event from absurd.absurd_event_log where task_id = %s order by seq", task_id)
    return [event for (event,) in rows]


def sqlstate(call: Future[Any]) -> str | None:
    """How a started call ended: its SQLSTATE, or None when it did what it was asked."""
    error = call.exception(DEADLINE_SECONDS)
    if error is None:
        return None
    assert isinstance(error, psycopg.Error), error
    return error.sqlstate


class Session:
    """One connection with a thread of its own, so that it can wait for a lock while the test goes on."""

    def __init__(self, db: Database) -> None:
        self.conn = db.connect()
        self.pid = self.conn.info.backend_pid
        self._observer = db.connect()
        self._thread = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._observer.execute("select pg_terminate_backend(%s)", (self.pid,))
        self._thread.shutdown(wait=True)

    def run(self, query: str, *params: Any) -> list[Any]:
        return list(self.start(query, *params).result(DEADLINE_SECONDS))

    def start(self, query: str, *params: Any) -> Future[list[Any]]:
        def call() -> list[Any]:
            cursor = self.conn.execute(query, params)
            return cursor.fetchall() if cursor.description else []

        return self._thread.submit(call)

    def waits_for(self, other: Session) -> None:
        """Return once this session waits for a lock that the other one holds."""
        end = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < end:
            row = self._observer.execute("select %s = any(pg_blocking_pids(%s))", (other.pid, self.pid)).fetchone()
            if row == (True,):
                return
        raise AssertionError("the session never waited for the other one")

    def deadlocks(self) -> int:
        row = self._observer.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
        assert row is not None
        return int(row[0])


def refused(db: Database, query: str, *params: Any) -> str | None:
    """The SQLSTATE a statement ends with, or None when it went through."""
    try:
        db.conn.execute(query, params)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def sync(db: Database, ops: list[dict[str, Any]], queue: str = Q, **request: Any) -> dict[str, Any]:
    """One worker_sync call; ops get their n from their place."""
    document = {"queue": queue, "worker": "w1", "ops": [{"n": n, **op} for n, op in enumerate(ops)], **request}
    answer = db.one("select absurd.worker_sync(%s)", json.dumps(document, default=str))
    assert isinstance(answer, dict)
    return answer


def op(kind: str, task: Task, /, **fields: Any) -> dict[str, Any]:
    return {"op": kind, "task_id": task.task_id, "epoch": task.epoch, **fields}


def statuses(answer: dict[str, Any]) -> list[str]:
    return [o["status"] for o in answer["ops"]]
