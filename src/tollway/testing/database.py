"""A test's own database, and its clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg


class Clock:
    """The database's clock: real until it is set, then still until it is moved."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def now(self) -> datetime:
        row = self._connection.execute("select absurd.current_time()").fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment

    def set(self, moment: datetime | None) -> None:
        """Stand still at `moment`; None: real again."""
        self._connection.execute("update absurd.test_clock set now = %s", (moment,))

    def advance(self, by: timedelta) -> None:
        """Move by so much, and stand still there."""
        self._connection.execute("update absurd.test_clock set now = absurd.current_time() + %s", (by,))

    def freeze(self) -> None:
        """Stand still."""
        self.advance(timedelta(0))


class TestDatabase:
    """A database with the schema and the test clock. `conn` commits each statement."""

    __test__ = False  # no test class, whatever its name

    def __init__(self, dsn: str, name: str) -> None:
        self.dsn = dsn
        self.name = name
        self._opened: list[psycopg.Connection[Any]] = []
        self.conn = self.connect()
        self.clock = Clock(self.conn)

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """A further connection, autocommit unless `options` say otherwise; closed with the database."""
        given = {"autocommit": True, "application_name": "tollway testing", **options}
        connection: psycopg.Connection[Any] = psycopg.connect(self.dsn, **given)
        self._opened.append(connection)
        return connection

    def rows(self, query: str, *params: Any) -> list[Any]:
        """All rows of a query, as tuples."""
        return self.conn.execute(query, params or None).fetchall()

    def one(self, query: str, *params: Any) -> Any:
        """The only row of a query, or its only value. Raises: AssertionError, when there is another number of rows."""
        rows = self.rows(query, *params)
        assert len(rows) == 1, f"{len(rows)} rows instead of one: {query}"
        return rows[0][0] if len(rows[0]) == 1 else rows[0]

    def verify(self) -> list[Any]:
        """What `absurd.verify()` finds wrong; empty when every derived record is true. The test clock does not count."""
        query = "select invariant, queue_name, task_id, detail from absurd.verify() where invariant <> 'clock_is_the_databases'"
        return self.rows(query)

    def close(self) -> None:
        for connection in self._opened:
            connection.close()
