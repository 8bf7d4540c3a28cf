"""A line to the database: a connection that comes back, and one call in flight on it."""

from __future__ import annotations

import asyncio
from typing import Any

from psycopg import AsyncCursor

from tollway.worker.connection import Link


class Line:
    """Statements of one value each; who comes while a call is in flight waits for its end."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._turn = asyncio.Lock()
        self._cursor: AsyncCursor[Any] | None = None

    async def ask(self, query: str, values: tuple[Any, ...], *, patient: bool = True) -> Any:
        """The value that was answered. `patient`: wait for a connection as long as it takes.

        Raises: the driver's errors.
        """
        async with self._turn:
            connection = await (self._link.connection() if patient else self._link.try_connection())
            if self._cursor is None or self._cursor.connection is not connection:
                self._cursor = connection.cursor()  # used again for each call: to make one costs a fifth of it
            row = await (await self._cursor.execute(query, values)).fetchone()
        assert row is not None
        return row[0]

    @property
    def is_open(self) -> bool:
        return self._link.is_open

    async def open(self) -> None:
        """Wait for a connection, as long as it takes."""
        await self._link.connection()

    async def close(self) -> None:
        """The connection; the next call opens another."""
        await self._link.close()
