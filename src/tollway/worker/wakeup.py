"""How an idle worker learns of work: register, look again, listen, and poll as if nobody would ever call.

A notification is a hint. It makes an idle worker quick; that it may be lost costs a second, never a task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from tollway.worker.connection import LOST, Link
from tollway.workflow.connect import first_line

log = logging.getLogger("tollway.worker")

CHANNEL = "absurd_work"
LADDER = (0.0, 0.005, 0.025, 0.125)
"""Seconds between registering and looking again: spawns that were under way could not see the registration."""
PERIOD = 1.0
LATE = 0.001
"""So that a look at a task that becomes due does not come a moment too soon, and again."""
REGISTERED_FOR = 15
RENEW_AFTER = 10.0


class Wakeup:
    """Calls `poll` whenever there may be work, while the worker says that it is idle."""

    def __init__(self, dsn: str, *, queue: str, instance: UUID, poll: Callable[[], None]) -> None:
        self._queue = queue
        self._instance = instance
        self._poll = poll
        self._link = Link(dsn, "listen", on_open=self._listen)
        self._idle = asyncio.Event()
        self._hint = asyncio.Event()
        self._registered_at: float | None = None
        self._watched: int | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def idle(self, due_in: float | None = None) -> None:
        """The last claim found fewer tasks than were asked for; the next one becomes due in so many seconds."""
        if due_in is not None:
            self.due(due_in)
        self._idle.set()

    def due(self, seconds: float) -> None:
        """A task becomes due in so many seconds: nobody notifies of a time that comes."""
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds + LATE
        if self._alarm is not None:
            if self._alarm.when() <= at:
                return
            self._alarm.cancel()
        self._alarm = loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._hint.set()

    def busy(self) -> None:
        """There is more work than this worker can take: it needs no notifications."""
        if self._idle.is_set():
            self._idle.clear()
            self._hint.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        try:
            while True:
                await self._idle.wait()
                try:
                    await self._while_idle()
                    await self._unregister()
                except (*LOST, psycopg.Error) as error:
                    # Deaf, but not blind: poll on, and try again with each.
                    log.warning("listening for work failed (%s); polling every %.0f s", first_line(error), PERIOD)
                    await self._disconnect()
                    self._poll()
                    await asyncio.sleep(PERIOD)
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            await self._disconnect()

    async def _while_idle(self) -> None:
        step = 0
        while self._idle.is_set():
            if await self._register_if_due():
                step = 0
            await self._wait(LADDER[step] if step < len(LADDER) else PERIOD)
            step += 1
            if self._idle.is_set():
                self._poll()

    async def _wait(self, seconds: float) -> None:
        if seconds == 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._hint.wait()
        except TimeoutError:
            pass
        self._hint.clear()

    async def _register_if_due(self) -> bool:
        """True if the registration is new, so that the ladder begins."""
        now = asyncio.get_running_loop().time()
        new = self._registered_at is None or now - self._registered_at > REGISTERED_FOR
        if not new and self._registered_at is not None and now - self._registered_at < RENEW_AFTER:
            return False
        await self._execute("select absurd.worker_idle(%s, %s, %s)", (self._queue, self._instance, REGISTERED_FOR))
        self._registered_at = now
        return new

    async def _unregister(self) -> None:
        if self._registered_at is not None:
            self._registered_at = None
            await self._execute("select absurd.worker_busy(%s, %s)", (self._queue, self._instance))

    # -- the connection -----------------------------------------------------------------------------------------

    async def _execute(self, query: Any, params: tuple[Any, ...]) -> None:
        connection = await self._link.try_connection()
        self._unwatch()  # psycopg watches the same socket while a query runs
        await connection.execute(query, params)
        self._watched = connection.fileno()
        asyncio.get_running_loop().add_reader(self._watched, self._readable, connection)

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        connection.add_notify_handler(lambda notify: self._notified(notify.payload))
        await connection.execute(f"listen {CHANNEL}")

    def _unwatch(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None

    async def _disconnect(self) -> None:
        self._unwatch()
        self._registered_at = None
        await self._link.close()

    def _readable(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Something came while no query ran: notifications, or the end of the connection."""
        try:
            connection.pgconn.consume_input()
            while (notify := connection.pgconn.notifies()) is not None:
                self._notified(notify.extra.decode())
        except LOST:
            self._unwatch()
            self._registered_at = None
            self._hint.set()

    def _notified(self, queue: str) -> None:
        if queue == self._queue:
            self._hint.set()
