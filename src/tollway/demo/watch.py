"""How far the work is, read from the database; a database that is away is waited for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from tollway.demo.inventory import CHILD, app

PERIOD = 0.04
QUERY = """
select (select count(*) from absurd.checkpoint c where c.queue_name = %(queue)s and c.checkpoint_name not like '$%%') as steps,
       (select count(*) from absurd.task t where t.queue_name = %(queue)s and t.state = 'completed') as completed,
       (select t.state from absurd.task t where t.task_id = %(root)s) as root_state,
       (select coalesce(jsonb_object_agg(h.claimed_by, h.held), '{}')
        from (select t.claimed_by, jsonb_object_agg(t.task_id, t.params ->> 'package') as held
              from absurd.task t
              where t.queue_name = %(queue)s and t.task_name = %(child)s and t.state = 'running' group by 1) h) as claims
"""
BUSY_SINCE = """
select count(*) from pg_stat_activity
where application_name in ('tollway worker', 'tollway worker claims') and state = 'active' and query_start <= %s"""
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look, in one statement. `claims`: for each worker the packages it holds, by task id."""

    steps: int
    completed: int
    root_state: str
    claims: Mapping[str, Mapping[str, str]]

    @property
    def ended(self) -> bool:
        return self.root_state in ENDED


class Watch:
    """Looks at one parent and its children."""

    def __init__(self, dsn: str, root: UUID, deadline: float) -> None:
        self._dsn = dsn
        self._root = root
        self._deadline = deadline
        self._connection: psycopg.Connection[Any] | None = None

    def look(self) -> Snapshot:
        """Raises: TimeoutError, when the deadline (of the monotonic clock) is over, whatever the reason."""
        while True:
            if time.monotonic() > self._deadline:
                raise TimeoutError("the demo took too long")
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._dsn, autocommit=True, application_name="tollway demo")
                row = self._connection.execute(QUERY, {"queue": app.queue, "root": self._root, "child": CHILD}).fetchone()
            except psycopg.OperationalError:
                self.close()
                time.sleep(PERIOD)
            else:
                assert row is not None
                return Snapshot(*row)

    def wait_until_quiet(self) -> None:
        """Until the workers' statements that run now have ended: a frozen worker sends no others."""
        self.look()
        assert self._connection is not None
        moment = self._one("select clock_timestamp()")
        while self._one(BUSY_SINCE, moment):
            time.sleep(PERIOD / 10)

    def _one(self, query: LiteralString, *params: Any) -> Any:
        assert self._connection is not None
        row = self._connection.execute(query, params).fetchone()
        assert row is not None
        return row[0]

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
