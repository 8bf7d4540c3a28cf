"""A worker's connections: each comes back after whatever happened to the database.

A worker outlives restarts, failovers and killed backends; it ends only when told to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import errors as pg

from tollway.worker.backoff import Backoff
from tollway.workflow.connect import first_line, settings

log = logging.getLogger("tollway.worker")

# What happened to the statement is unknown: the connection died under it, or the server is going away.
LOST = (psycopg.OperationalError, psycopg.InterfaceError, OSError)
# The statement was rolled back for reasons that pass: it is sent again as it is.
TRANSIENT = (
    pg.SerializationFailure,
    pg.DeadlockDetected,
    pg.LockNotAvailable,
    pg.QueryCanceled,
    pg.TooManyConnections,
    pg.DiskFull,
    pg.OutOfMemory,
    pg.ReadOnlySqlTransaction,
)
ISOLATION = "set default_transaction_isolation = 'read committed'"
"""Whatever the role's default: the engine locks first and reads in the next statement, with a new snapshot."""
FIRST_WAIT = 0.05
LONGEST_WAIT = 5.0


class Link:
    """One autocommit connection that is opened again, for as long as it takes."""

    def __init__(self, dsn: str, purpose: str, *, on_open: Callable[[Any], Any] | None = None) -> None:
        self._dsn = dsn
        self._purpose = purpose
        self._on_open = on_open
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def connection(self) -> psycopg.AsyncConnection[Any]:
        """The open connection; waits, with a growing and jittered back-off, until there is one."""
        backoff = Backoff(FIRST_WAIT, LONGEST_WAIT)
        while True:
            try:
                opened = await self.try_connection()
            except LOST as error:
                wait = backoff.next()
                log.warning(
                    "database unreachable for %s (%s); attempt %d, next in %.1f s",
                    self._purpose,
                    first_line(error),
                    backoff.attempts,
                    wait,
                )
                await asyncio.sleep(wait)
            else:
                if backoff.attempts:
                    log.info("database reached again for %s after %d attempts", self._purpose, backoff.attempts)
                return opened

    @property
    def is_open(self) -> bool:
        """As far as is known without asking."""
        return self._connection is not None and not self._connection.closed

    async def try_connection(self) -> psycopg.AsyncConnection[Any]:
        """The open connection, or one attempt to open it. Raises: one of `LOST`."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        await self.close()
        connection = await psycopg.AsyncConnection.connect(
            self._dsn,
            autocommit=True,
            prepare_threshold=0,
            **settings(self._purpose),
        )
        try:
            await connection.execute(ISOLATION)
            if self._on_open is not None:
                await self._on_open(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        return connection

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
