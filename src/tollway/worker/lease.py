"""Leases are kept alive by a thread of their own, on a connection of its own.

A handler that blocks the event loop, or a group commit that waits for the database, must not cost the other tasks
their leases. One call renews them all; a row that somebody has locked counts as alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import orjson
import psycopg

from tollway.worker.backoff import Backoff
from tollway.worker.connection import FIRST_WAIT, ISOLATION, LONGEST_WAIT, LOST
from tollway.workflow.connect import first_line, settings

log = logging.getLogger("tollway.worker")

BEATS_PER_LEASE = 3
QUERY = "select task_id::text, status from absurd.heartbeat(%s, %s::text::jsonb, %s)"


class Held(Protocol):
    """A claim whose lease is to be kept."""

    task_id: str
    epoch: int

    @property
    def leaving(self) -> bool:
        """Whether an operation is under way after which it may be over: what becomes of it, that answer says."""


class Leases:
    """The claims this worker holds, and the thread that keeps them.

    `hold` and `let_go` belong to the event loop's thread. `lost` is called there, too, with the claim and the
    reason (`lost` or `cancelled`).
    """

    def __init__(self, dsn: str, *, queue: str, lease: int, lost: Callable[[Held, str], None]) -> None:
        self._dsn = dsn
        self._queue = queue
        self._lease = lease
        self._lost = lost
        self._held: dict[str, Held] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tollway-heartbeat", daemon=True)
        self._connection: psycopg.Connection[Any] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._pulse = _Pulse()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pulse.start(loop)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def hold(self, claim: Held) -> None:
        self._held[claim.task_id] = claim

    def let_go(self, claim: Held) -> None:
        # A later claim of the same task may stand here already.
        if self._held.get(claim.task_id) is claim:
            del self._held[claim.task_id]

    def claim_of(self, task_id: str) -> Held | None:
        return self._held.get(task_id)

    def held(self) -> list[Held]:
        return list(self._held.values())

    # -- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        period = self._lease / BEATS_PER_LEASE
        backoff = Backoff(FIRST_WAIT, min(LONGEST_WAIT, period))
        due = time.monotonic() + period
        while not self._stopping.wait(min(_Pulse.PATIENCE, max(0.0, due - time.monotonic()))):
            self._pulse.check()
            if time.monotonic() < due:
                continue
            began = time.monotonic()
            try:
                self._beat()
            except (*LOST, psycopg.Error) as error:
                wait = backoff.next()
                self._close()
                log.warning("heartbeat failed (%s); next in %.1f s", first_line(error), wait)
                due = time.monotonic() + wait
            else:
                backoff.reset()
                due = began + period
        self._close()

    def _beat(self) -> None:
        held = self.held()
        if not held:
            return
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = psycopg.connect(self._dsn, autocommit=True, **settings("heartbeat"))
            connection.execute(ISOLATION)
        claims = orjson.dumps([{"task_id": claim.task_id, "epoch": claim.epoch} for claim in held]).decode()
        rows = connection.execute(QUERY, (self._queue, claims, self._lease)).fetchall()
        gone = {task_id: status for task_id, status in rows if status in ("lost", "cancelled")}
        for claim in held:
            status = gone.get(claim.task_id)
            if status is not None:
                with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left to tell
                    self._loop.call_soon_threadsafe(self._report, claim, status)

    def _report(self, claim: Held, status: str) -> None:
        # One that is leaving may have left already, without knowing; one that was let go meanwhile has ended.
        if self._held.get(claim.task_id) is claim and not claim.leaving:
            self._lost(claim, status)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Pulse:
    """Notices that the event loop stands still, and names, once, the task whose handler holds it."""

    PATIENCE = 1.0

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._sent: float | None = None
        self._warned = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def check(self) -> None:
        """Called about once a second: ask the loop for a sign of life, and warn if the last one never came."""
        now = time.monotonic()
        if self._sent is None:
            self._sent = now
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left to ask
                self._loop.call_soon_threadsafe(self._answered)
        elif now - self._sent > self.PATIENCE and not self._warned and not self._loop.is_closed():
            self._warned = True
            task = asyncio.current_task(self._loop)
            log.warning(
                "the event loop has been blocked for %.1f s by %s; run blocking code in a thread (a sync workflow, or asyncio.to_thread)",
                now - self._sent,
                task.get_name() if task is not None else "an unknown callback",
            )

    def _answered(self) -> None:
        self._sent = None
        self._warned = False
