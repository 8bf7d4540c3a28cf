"""An application's own connections, each with its client: lent for one request, and kept for the next.

To open one costs more than most requests. A kept one has no session state of ours (autocommit, no settings); it is given out
only in the process, and the event loop, that opened it, and only while the server has not closed it.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from tollway.client import AbsurdClient, AsyncAbsurdClient
from tollway.workflow.connect import connect_async, connect_sync

MOST = 4
"""Kept at once, of each process and loop: what more a burst opened is closed after its request."""
IDLE_SECONDS = 60.0
"""One that nobody used for so long is not used again: firewalls forget connections without a word."""


class Own(NamedTuple):
    """A connection and the client on it, whose cursor is kept with them."""

    connection: psycopg.BaseConnection[Any]
    client: Any


class Kept:
    """Idle connections of one process, to one address, of one event loop or of none."""

    def __init__(self) -> None:
        self._idle: deque[tuple[Own, float]] = deque()
        self._process = os.getpid()

    def take(self) -> Own | None:
        """The one used last, if the server still has it."""
        if self._process != os.getpid():
            self._idle.clear()  # the parent's: psycopg closes none that another process opened
            self._process = os.getpid()
        while self._idle:
            try:
                own, since = self._idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if time.monotonic() - since < IDLE_SECONDS and not own.connection.closed and not _something_came(own.connection):
                return own
            own.connection.pgconn.finish()
        return None

    def give_back(self, own: Own) -> None:
        """Keep it, if it is as it was, and there is room."""
        pgconn = own.connection.pgconn
        if pgconn.transaction_status == TransactionStatus.IDLE and len(self._idle) < MOST:
            self._idle.append((own, time.monotonic()))
        else:
            pgconn.finish()

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].connection.pgconn.finish()


class Spares:
    """What `Tollway` lends its requests."""

    def __init__(self) -> None:
        self._sync: dict[str, Kept] = {}
        self._async: dict[asyncio.AbstractEventLoop, dict[str, Kept]] = {}
        weakref.finalize(self, _close_all, self._sync, self._async)

    @contextmanager
    def lend(self, dsn: str) -> Iterator[AbsurdClient]:
        """A client for synchronous code. Raises: as connect_sync."""
        kept = _kept(self._sync, dsn)
        own = kept.take()
        if own is None:
            connection = connect_sync(dsn)
            own = Own(connection, AbsurdClient(connection))
        try:
            yield own.client
        finally:
            kept.give_back(own)

    @asynccontextmanager
    async def lend_async(self, dsn: str) -> AsyncIterator[AsyncAbsurdClient]:
        """A client for the running loop. Raises: as connect_async."""
        kept = _kept(self._of_loop(asyncio.get_running_loop()), dsn)
        own = kept.take()
        if own is None:
            connection = await connect_async(dsn)
            own = Own(connection, AsyncAbsurdClient(connection))
        try:
            yield own.client
        finally:
            kept.give_back(own)

    def close(self) -> None:
        """Close what is idle, but for what another loop that still runs has."""
        _close_all(self._sync)
        self._of_loop(None)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        _close_all(self._of_loop(loop))

    def _of_loop(self, loop: asyncio.AbstractEventLoop | None) -> dict[str, Kept]:
        """Of this loop. What loops that have ended left is closed."""
        for ended in [known for known in self._async if known.is_closed()]:
            _close_all(self._async.pop(ended, {}))
        return {} if loop is None else self._async.setdefault(loop, {})


def _kept(known: dict[str, Kept], dsn: str) -> Kept:
    return known.get(dsn) or known.setdefault(dsn, Kept())


def _close_all(*kept: dict[Any, Any]) -> None:
    for each in kept:
        for one in list(each.values()):
            if isinstance(one, Kept):
                one.close()
            else:
                _close_all(one)


def _something_came(connection: psycopg.BaseConnection[Any]) -> bool:
    """While it was idle: nothing but the end of the connection, or the word that it comes, would."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
