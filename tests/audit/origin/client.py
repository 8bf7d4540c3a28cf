"""The thin client: it calls the engine's functions and nothing else. Other services use it, without the orchestrator."""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

Row = tuple[Any, ...]


class Client:
    def __init__(self, conn: Connection[Row], queue: str) -> None:
        self.conn = conn
        self.queue = queue

    def claim(self, lease: str = "30 seconds") -> Row | None:
        return self.conn.execute("select * from engine.claim_task(%s, %s::interval)", (self.queue, lease)).fetchone()

    def complete(self, run_id: str, result: object) -> None:
        self.conn.execute("select engine.complete_run(%s, %s, %s)", (self.queue, run_id, Jsonb(result)))

    def fail(self, run_id: str, error: str) -> None:
        self.conn.execute("select engine.fail_run(%s, %s, %s)", (self.queue, run_id, error))

    def sleep(self, run_id: str, until: str) -> None:
        self.conn.execute("select engine.schedule_run(%s, %s, %s::timestamptz)", (self.queue, run_id, until))

    def wait(self, run_id: str, event: str) -> object:
        row = self.conn.execute("select engine.await_event(%s, %s, %s)", (self.queue, run_id, event)).fetchone()
        return row[0] if row else None

    def emit(self, event: str, payload: object) -> None:
        self.conn.execute("select engine.emit_event(%s, %s, %s)", (self.queue, event, Jsonb(payload)))

    def cancel(self, task_id: str) -> None:
        self.conn.execute("select engine.cancel_task(%s, %s)", (self.queue, task_id))

    def cleanup(self, before: str) -> None:
        self.conn.execute("select engine.cleanup(%s, %s::timestamptz)", (self.queue, before))
