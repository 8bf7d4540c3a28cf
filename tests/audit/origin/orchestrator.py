"""The orchestrator: it moves a run through the engine, and THEN writes what the users and the operators look at.

This is the mistake that the auditor exists for: whoever moves the run in another way skips these writes.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

Row = tuple[Any, ...]


class Orchestrator:
    def __init__(self, conn: Connection[Row], queue: str) -> None:
        self.conn = conn
        self.queue = queue

    def start(self, name: str, params: object) -> str:
        row = self.conn.execute("select engine.spawn_task(%s, %s, %s)", (self.queue, name, Jsonb(params))).fetchone()
        assert row is not None
        self.conn.execute("insert into app.workflow_run (task_id) values (%s) on conflict do nothing", (row[0],))
        return str(row[0])

    def _complete_run(self, task_id: str, run_id: str, result: object) -> None:
        self.conn.execute("select engine.complete_run(%s, %s, %s)", (self.queue, run_id, Jsonb(result)))
        self.conn.execute(
            "update app.workflow_run set status = 'completed', result = %s, completed_at = now() where task_id = %s",
            (Jsonb(result), task_id),
        )
        self._log(task_id, run_id, "completed")
        self._count("run.completed")

    def _fail_run(self, task_id: str, run_id: str, error: str) -> None:
        self.conn.execute("select engine.fail_run(%s, %s, %s)", (self.queue, run_id, error))
        self.conn.execute(
            "update app.workflow_run set status = 'failed', error = %s, completed_at = now() where task_id = %s",
            (error, task_id),
        )
        self._log(task_id, run_id, "failed")
        self._count("run.failed")

    def _log(self, task_id: str, run_id: str, state: str) -> None:
        self.conn.execute(
            "insert into app.event_log (task_id, run_id, state) select %(task)s, %(run)s, %(state)s"
            " where not exists (select from app.event_log where run_id = %(run)s and state = %(state)s)",
            {"task": task_id, "run": run_id, "state": state},
        )

    def _count(self, name: str) -> None:
        self.conn.execute("insert into app.telemetry (name) values (%s)", (name,))
