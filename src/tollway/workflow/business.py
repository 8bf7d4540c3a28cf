"""Connections for `ctx.transaction`: your own engine or session factory, else psycopg's from a small pool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from inspect import isawaitable, signature
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from tollway.errors import InvalidOption

MOST_CONNECTIONS = 10
PATIENCE = 3600.0
"""Seconds a step waits for a free connection: as long as it takes, for the claim is kept alive meanwhile."""

Source = Any
"""An SQLAlchemy engine or session factory (sync or async), or a function that returns a context manager which begins
a transaction and commits it at its end; or a function of the database's address that makes one of these. None: psycopg
connections to Tollway's database."""


class Business:
    """Opens transactions on the user's side of the database. Made for one worker, and closed with it."""

    def __init__(self, dsn: str, source: Source = None, most: int = MOST_CONNECTIONS) -> None:
        self._dsn = dsn
        self._most = most
        self._maker = source if takes_dsn(source) else None
        self._made = threading.Lock()
        self._source = None if self._maker is not None else source
        self._begin = None if self._source is None else begin_of(self._source)
        self._async_pool: AsyncConnectionPool[Any] | None = None
        self._sync_pool: ConnectionPool[Any] | None = None

    @asynccontextmanager
    async def begin_async(self) -> AsyncIterator[Any]:
        """A connection in a transaction, committed at the end of the block and rolled back by an exception."""
        begin = self._begin or self._make()
        if begin is not None:
            begun = begin()
            if not isinstance(begun, AbstractAsyncContextManager):
                raise _wrong_kind(self._source, "asynchronous", "create_async_engine(...), or declare the workflow with `def`")
            async with begun as connection:
                yield connection
            return
        if self._async_pool is None:
            pool = AsyncConnectionPool(self._dsn, min_size=0, max_size=self._most, timeout=PATIENCE, kwargs=_OPTIONS, open=False)
            self._async_pool = pool
            await pool.open()
        async with self._async_pool.connection() as connection:
            yield connection

    @contextmanager
    def begin_sync(self) -> Iterator[Any]:
        """As `begin_async`."""
        begin = self._begin or self._make()
        if begin is not None:
            begun = begin()
            if not isinstance(begun, AbstractContextManager):
                raise _wrong_kind(self._source, "synchronous", "create_engine(...), or declare the workflow with `async def`")
            with begun as connection:
                yield connection
            return
        if self._sync_pool is None:
            self._sync_pool = ConnectionPool(self._dsn, min_size=0, max_size=self._most, timeout=PATIENCE, kwargs=_OPTIONS, open=True)
        with self._sync_pool.connection() as connection:
            yield connection

    def _make(self) -> Callable[[], Any] | None:
        """With the first transaction, once: an engine for this database."""
        if self._maker is None:
            return None
        with self._made:
            if self._begin is None:
                self._source = self._maker(self._dsn)
                self._begin = begin_of(self._source)
            return self._begin

    async def close(self) -> None:
        """Close what was opened here; the user's engine stays the user's."""
        if self._maker is not None and self._source is not None:
            await dispose(self._source)
        if self._async_pool is not None:
            await self._async_pool.close(timeout=1.0)
        if self._sync_pool is not None:
            # in a thread: it waits for the pool's own threads, and the loop has other connections to close
            await asyncio.to_thread(self._sync_pool.close, 2.0)


def begin_of(source: Source) -> Callable[[], Any]:
    """What begins a transaction: `source.begin` of an engine or a session factory, or the function itself.

    Raises:
        InvalidOption: neither.
    """
    begin = getattr(source, "begin", None)
    if callable(begin):
        return begin  # type: ignore[no-any-return]
    if callable(source):
        return source  # type: ignore[no-any-return]
    raise InvalidOption(
        f"connect is {'a str' if isinstance(source, str) else repr(source)}",  # an address has a password
        hint="use an SQLAlchemy engine or sessionmaker, a function that makes one from an address, or one that begins a transaction.",
    )


def takes_dsn(source: Source) -> bool:
    """Whether it is a function of the database's address, which makes an engine or the like."""
    if not callable(source) or callable(getattr(source, "begin", None)):
        return False
    try:
        parameters = signature(source).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(needed) == 1


async def dispose(source: Any) -> None:
    """Close the pool of an SQLAlchemy engine, a session factory's too."""
    engine = getattr(source, "kw", {}).get("bind", source)
    close = getattr(engine, "dispose", None)
    closed = close() if callable(close) else None
    if isawaitable(closed):
        await closed


def is_psycopg(connection: Any) -> bool:
    return isinstance(connection, psycopg.Connection | psycopg.AsyncConnection)


def _wrong_kind(source: Source, wanted: str, advice: str) -> InvalidOption:
    return InvalidOption(f"connect={source!r} gives no {wanted} transaction", hint=f"use {advice}.")


_OPTIONS = {"application_name": "tollway transaction"}
