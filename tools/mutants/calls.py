"""Which functions of the engine a test calls: the server counts them, and the test's own database is read before it goes."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

_CALLED = "select distinct funcname from pg_stat_user_functions where schemaname = 'absurd' and calls > 0"


def called_in(database: Any) -> set[str]:
    """The functions called so far in a test's database. A backend tells its counts when it ends, or when it is asked to."""
    for connection in database._opened:  # noqa: SLF001 - the tests' own class
        if not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE:
            with contextlib.suppress(psycopg.Error):
                connection.execute("select pg_stat_force_next_flush()")
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        return {name for (name,) in connection.execute(_CALLED).fetchall()}
