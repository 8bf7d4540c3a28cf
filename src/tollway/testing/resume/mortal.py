"""A worker that dies at a commit, as if its machine lost power: in this process, so that it can be done hundreds of times.

From then on it says nothing to the database. Its handlers are not unwound either: a `finally` that a power cut would have
skipped does not run. They stay where they are, for ever; so they are kept where nothing collects them.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import psycopg

from tollway.testing.resume.points import AFTER, BEFORE, Point, transaction_point, what_of
from tollway.testing.resume.recorder import Execution, Recorder
from tollway.worker import Worker, WorkerOptions
from tollway.worker.answers import ALREADY, OK
from tollway.worker.group_commit import GroupCommit, Unit
from tollway.worker.line import Line
from tollway.workflow.business import Business
from tollway.workflow.definition import Registry
from tollway.workflow.services import Services

_step: ContextVar[tuple[Execution, str] | None] = ContextVar("tollway_testing_step", default=None)
_buried: list[Any] = []
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_buried))
"""Not even the end of the interpreter may unwind what lies here."""


class PowerCut(BaseException):
    """Rolls a business transaction back, whatever opened it, as the end of its connection would."""


class Fuse:
    """Blows at one commit of a run: right before it is sent, or right after it was answered. Shared by a run's workers."""

    def __init__(self, recorder: Recorder, target: Point | None = None, moment: str = AFTER) -> None:
        self.recorder = recorder
        self.points: list[Point] = []
        """The commits so far."""
        self.blown = False
        self._target = target
        self._moment = moment
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._when_blown: list[Callable[[], object]] = []

    def on_blown(self, call: Callable[[], object]) -> None:
        self._when_blown.append(call)

    def sending(self, task: str, what: str) -> bool:
        """A commit is about to be sent. False: it never is, for the worker is dead; `announce` it when that is seen to."""
        with self._lock:
            point = Point(task, what, self._counts[task, what] + 1)
            if self._moment == BEFORE and point == self._target:
                self._blow()
            return not self.blown

    def sent(self, task: str, what: str) -> bool:
        """A commit was answered. False: the worker died before it could read that; else as `sending`."""
        with self._lock:
            self._counts[task, what] += 1
            point = Point(task, what, self._counts[task, what])
            self.points.append(point)
            if self._moment == AFTER and point == self._target:
                self._blow()
            return not self.blown

    def announce(self) -> None:
        """Tell the test that the worker is dead."""
        for call in self._when_blown:
            call()

    def _blow(self) -> None:
        self.blown = True


async def _freeze(fuse: Fuse) -> None:
    """A dead worker's coroutine goes no further."""
    fuse.announce()
    await asyncio.get_running_loop().create_future()


def _freeze_thread(fuse: Fuse) -> None:
    """Nor does its thread."""
    fuse.announce()
    threading.Event().wait()


class MortalCommit(GroupCommit):
    """Sends one unit a call, so that every commit can be the last."""

    fuse: Fuse

    def _take(self, *, split: bool) -> list[Unit]:  # noqa: ARG002
        return [self._gathered.popleft()] if self._gathered else []

    async def _send(self, line: Line, units: list[Unit], quantity: int) -> dict[str, Any]:
        if self.fuse.blown:
            await _freeze(self.fuse)
        recorder = self.fuse.recorder
        said = [(recorder.paths.of(unit.task_id), what_of(unit.operations)) for unit in units]  # one, or none
        if not all(self.fuse.sending(*point) for point in said):
            await _freeze(self.fuse)
        answer = await super()._send(line, units, quantity)
        statuses = dict.fromkeys(range(sum(len(unit.operations) for unit in units)), OK)  # which a brief answer leaves out
        statuses |= {one["n"]: one["status"] for one in answer["ops"]}
        if statuses and all(status in (OK, ALREADY) for status in statuses.values()):
            self._note(units, statuses)
            if not all(self.fuse.sent(*point) for point in said):
                await _freeze(self.fuse)
        return answer

    def _note(self, units: list[Unit], statuses: dict[int, str]) -> None:
        operations = [(unit, operation) for unit in units for operation in unit.operations]
        for number, (unit, operation) in enumerate(operations):
            if operation["op"] in ("checkpoint", "spawn") and statuses[number] == OK:
                self.fuse.recorder.records[self.fuse.recorder.paths.of(unit.task_id), operation["step"]] += 1


@contextmanager
def business_step(execution: Execution, step: str) -> Iterator[None]:
    """What commits in this block is the transaction of this step."""
    token = _step.set((execution, step))
    try:
        yield
    finally:
        _step.reset(token)


class MortalBusiness(Business):
    """Business connections that end with the worker."""

    fuse: Fuse

    def __init__(self, dsn: str, source: Any) -> None:
        super().__init__(dsn, source)
        self.seen: list[Any] = []

    @asynccontextmanager
    async def begin_async(self) -> AsyncIterator[Any]:
        try:
            async with super().begin_async() as connection:
                self.seen.append(connection)
                yield connection
                self._sending()
        except BaseException:
            if not self.fuse.blown:
                raise
            await _freeze(self.fuse)
        if not self._sent():
            await _freeze(self.fuse)

    @contextmanager
    def begin_sync(self) -> Iterator[Any]:
        try:
            with super().begin_sync() as connection:
                self.seen.append(connection)
                yield connection
                self._sending()
        except BaseException:
            if not self.fuse.blown:
                raise
            _freeze_thread(self.fuse)
        if not self._sent():
            _freeze_thread(self.fuse)

    async def close(self) -> None:
        """As a worker's own, but it waits for the pool's threads: the database is about to be dropped."""
        if self._sync_pool is not None:
            self._sync_pool.close(timeout=1.0)
        await super().close()

    def bury(self) -> None:
        for connection in self.seen:
            if isinstance(connection, psycopg.AsyncConnection | psycopg.Connection):
                connection.pgconn.finish()
        if self._sync_pool is not None:
            self._sync_pool.close(timeout=1.0)

    def _sending(self) -> None:
        current = _step.get()
        if current is not None and not self.fuse.sending(current[0].path, transaction_point(current[1])):
            raise PowerCut

    def _sent(self) -> bool:
        current = _step.get()
        if current is None:
            return not self.fuse.blown
        execution, step = current
        execution.recorder.bodies[execution.path, step] += 1
        return self.fuse.sent(execution.path, transaction_point(step))


class DaemonThreads(ThreadPoolExecutor):
    """A thread for each handler, which the end of the process need not wait for: it may never end."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def execute() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=execute, name="tollway-sync", daemon=True).start()
        return future


class MortalWorker(Worker):
    """A worker with a fuse."""

    def __init__(self, registry: Registry, dsn: str, options: WorkerOptions, fuse: Fuse) -> None:
        super().__init__(registry, dsn, options)
        commit = self._group_commit(MortalCommit)
        business = MortalBusiness(dsn, registry.connect)
        commit.fuse = business.fuse = fuse
        self._commit = commit
        self._business = business
        self._services = Services(registry, business)
        self._executor = DaemonThreads(1)
        fuse.on_blown(self._leases.stop)

    def bury(self) -> None:
        """Close its sockets and end the threads of its pool, for a process may have many dead workers."""
        self._business.bury()
        for link in (self._link, self._wakeup._link):  # noqa: SLF001 - it is never told to stop, so nobody else closes them
            if link._connection is not None:  # noqa: SLF001
                link._connection.pgconn.finish()  # noqa: SLF001


def _to_nobody(*_: object, **__: object) -> None:
    """Where a dead event loop's calls go."""


def bury(loop: asyncio.AbstractEventLoop, workers: list[MortalWorker]) -> None:
    """Leave everything that a dead worker was doing as it is."""
    _buried.append((loop, asyncio.all_tasks(loop), workers))
    for worker in workers:
        with suppress(psycopg.Error):
            worker.bury()
    # a thread that is in the midst of a body ends it, hands its result over, and waits for ever
    loop.call_soon_threadsafe = _to_nobody  # type: ignore[method-assign, assignment]
    loop.close()
    # Branches of plain workflows: threads that the end of the process would wait for
    from concurrent.futures import thread

    for started in threading.enumerate():
        if started.daemon and started.name.startswith("tollway-branch"):
            getattr(thread, "_threads_queues", {}).pop(started, None)
