"""An application's own connections, each with its client: lent for one request, and kept for the next.

To open one costs more than most requests. A kept one has no session state of ours (autocommit, no settings); it is given out
only in the process, and the event loop, that opened it, and only while the server has not closed it. There are few of them, so
that no burst of requests takes all that the server has.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from tollway.client import AbsurdClient, AsyncAbsurdClient
from tollway.workflow.connect import connect_async, connect_sync, is_lost, lost

MOST = 8
"""Open at once, of each process and loop: a request beyond them waits for one that is given back."""
PATIENCE = 30.0
"""Seconds that it waits, then it opens one more: all of them may be held by requests that wait for a lock of who wants another."""
IDLE_SECONDS = 60.0
"""One that nobody used for so long is closed: firewalls forget connections without a word."""


class Own(NamedTuple):
    """A connection and the client on it, whose cursor is kept with them."""

    connection: psycopg.BaseConnection[Any]
    client: Any


class Kept:
    """Idle connections of one process, to one address, of one event loop or of none; and the turns of who wants one."""

    def __init__(self) -> None:
        self._idle: deque[tuple[Own, float]] = deque()
        self.process = os.getpid()
        self.turns = threading.Semaphore(MOST)
        self.turns_async = asyncio.Semaphore(MOST)

    def take(self) -> Own | None:
        """The one used last, if the server still has it."""
        while self._idle:
            try:
                own, since = self._idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if time.monotonic() - since < IDLE_SECONDS and not own.connection.closed and not _something_came(own.connection):
                return own
            _finish(own)
        return None

    def give_back(self, own: Own) -> None:
        """Keep it, if it is as it was, and there is room. Those that a burst left close here, when they were idle for long."""
        self._close_old()
        if own.connection.pgconn.transaction_status == TransactionStatus.IDLE and len(self._idle) < MOST:
            self._idle.append((own, time.monotonic()))
        else:
            _finish(own)

    @contextmanager
    def lent(self, own: Own) -> Iterator[None]:
        """Given back at the end of a request. Raises: DatabaseUnreachable, if the connection ended under it."""
        try:
            yield
        except psycopg.Error as error:
            if is_lost(error):
                raise lost(error) from error
            raise
        finally:
            self.give_back(own)

    def close(self) -> None:
        if self.process != os.getpid():  # a child's end says goodbye on its parent's sockets otherwise, amid the parent's requests
            return
        while self._idle:
            _finish(self._idle.pop()[0])

    def _close_old(self) -> None:
        try:
            while time.monotonic() - self._idle[0][1] >= IDLE_SECONDS:
                _finish(self._idle.popleft()[0])
        except IndexError:  # none is idle, or another thread was quicker
            return


class Spares:
    """What `Tollway` lends its requests."""

    def __init__(self) -> None:
        self._sync: dict[str, Kept] = {}
        self._async: dict[asyncio.AbstractEventLoop, dict[str, Kept]] = {}
        weakref.finalize(self, _close_all, self._sync, self._async)

    @contextmanager
    def lend(self, dsn: str) -> Iterator[AbsurdClient]:
        """A client for synchronous code. Raises: as connect_sync; DatabaseUnreachable also for a connection that ends under the request."""
        kept = _kept(self._sync, dsn)
        in_turn = kept.turns.acquire(timeout=PATIENCE)
        try:
            own = kept.take()
            if own is None:
                connection = connect_sync(dsn)
                own = Own(connection, AbsurdClient(connection))
            with kept.lent(own):
                yield own.client
        finally:
            if in_turn:
                kept.turns.release()

    @asynccontextmanager
    async def lend_async(self, dsn: str) -> AsyncIterator[AsyncAbsurdClient]:
        """A client for the running loop. Raises: as `lend`."""
        kept = _kept(self._of_loop(asyncio.get_running_loop()), dsn)
        in_turn = await _turn_of(kept.turns_async)
        try:
            own = kept.take()
            if own is None:
                connection = await connect_async(dsn)
                own = Own(connection, AsyncAbsurdClient(connection))
            with kept.lent(own):
                yield own.client
        finally:
            if in_turn:
                kept.turns_async.release()

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
        for ended in [known for known in list(self._async) if known.is_closed()]:  # a copy: other threads' loops come and go
            _close_all(self._async.pop(ended, {}))
        return {} if loop is None else self._async.setdefault(loop, {})


def _kept(known: dict[str, Kept], dsn: str) -> Kept:
    kept = known.get(dsn) or known.setdefault(dsn, Kept())
    if kept.process != os.getpid():  # the parent's, with its turns; they stay open, for the parent has them
        kept = known[dsn] = Kept()
    return kept


def _finish(own: Own) -> None:
    """Close at once, without the loop. `own` holds the connection meanwhile: one that is deleted while it is open warns."""
    own.connection.pgconn.finish()


async def _turn_of(turns: asyncio.Semaphore) -> bool:
    """Whether one came in time."""
    if not turns.locked():
        return await turns.acquire()  # without a timer: this is nearly every request
    try:
        async with asyncio.timeout(PATIENCE):
            return await turns.acquire()
    except TimeoutError:
        return False


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
