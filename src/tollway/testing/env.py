"""`tollway_env`: runs workflows in the test's own process, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any
from uuid import UUID

from tollway.errors import InvalidOption
from tollway.testing.bound import Bound, Connect
from tollway.testing.database import TestDatabase
from tollway.testing.driver import Driver, emit
from tollway.testing.resume.check import Callback, Options, ResumeCheck
from tollway.testing.resume.report import ResumeReport
from tollway.testing.server import TestServer
from tollway.testing.task import TaskView, view
from tollway.workflow import Handle, SyncHandle, Tollway, Workflow

REAL_SECONDS = 20.0
"""How long a test waits, on the real clock, for a workflow that should take milliseconds."""


class Env:
    """A test's database, and the apps that point to it.

    The clock stands still unless the test moves it, or a workflow that is run has nothing to do but wait.
    """

    def __init__(self, server: TestServer, database: TestDatabase) -> None:
        self.server = server
        self.db = database
        self._bound: list[Bound] = []

    def __enter__(self) -> Env:
        self.db.clock.freeze()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for bound in reversed(self._bound):
            bound.point_back()

    def bind(self, app: Tollway, *, queues: Sequence[str] = (), connect: Connect | None = None) -> Tollway:
        """Point an app to the test's database for as long as the test runs, and make its queue there.

        Args:
            app: whose workflows are worked off. Bind each app whose tasks take part.
            queues: further queues that its tasks are started in.
            connect: makes from a dsn what the app's own `connect` is: `lambda dsn: create_engine(dsn)`. Needed when that is an
                SQLAlchemy engine or session factory, for those know another database.

        Raises:
            InvalidOption: `connect` is missing, or another bound app has the same queue.
        """
        bound = Bound(app, queues, connect)
        taken = {queue for other in self._bound for queue in other.queues}
        if twice := taken & set(bound.queues):
            raise InvalidOption(
                f"queue {min(twice)!r} belongs to an app that is bound already", hint="an app is bound once, with its queues=."
            )
        bound.point_at(self.db)
        self._bound.append(bound)
        return app

    # -- whole workflows ----------------------------------------------------------------------------------------

    def run(
        self, workflow: Workflow | str, *args: Any, events: Mapping[str, Any] | None = None, timeout: float = REAL_SECONDS, **options: Any
    ) -> Any:
        """Start a workflow, work it off in this process, and return its result.

        When only sleeps, back-offs and time-outs remain, the database's clock jumps to the first of them: a day takes
        milliseconds.

        Args:
            events: payloads by name, emitted when a task waits for them.
            timeout: seconds of real time.
            options: as `Tollway.start`.

        Raises:
            TaskFailed: it failed or was cancelled.
            TaskStuck: it waits for what does not come, an event that nobody emits say, or the real time is over.
        """
        __tracebackhide__ = True  # pytest shows the test's line
        _no_loop("run", "await env.run_async(...)")
        return asyncio.run(self.run_async(workflow, *args, events=events, timeout=timeout, **options))

    async def run_async(
        self, workflow: Workflow | str, *args: Any, events: Mapping[str, Any] | None = None, timeout: float = REAL_SECONDS, **options: Any
    ) -> Any:
        """As `run`, on the running event loop."""
        handle = await self.app_of(workflow).start(workflow, *args, **options)
        return await self.finish_async(handle, events=events, timeout=timeout)

    def finish(self, handle: Handle | SyncHandle, *, events: Mapping[str, Any] | None = None, timeout: float = REAL_SECONDS) -> Any:
        """Work off what was started before, and return its result; else as `run`."""
        __tracebackhide__ = True  # pytest shows the test's line
        _no_loop("finish", "await env.finish_async(...)")
        return asyncio.run(self.finish_async(handle, events=events, timeout=timeout))

    async def finish_async(
        self, handle: Handle | SyncHandle, *, events: Mapping[str, Any] | None = None, timeout: float = REAL_SECONDS
    ) -> Any:
        """As `finish`, on the running event loop."""
        await Driver(self.db, self._bound, events=events, seconds=timeout).until_ended(handle.id)
        result = handle.result(timeout=timeout)
        return result if isinstance(handle, SyncHandle) else await result

    # -- step by step -------------------------------------------------------------------------------------------

    def start(self, workflow: Workflow | str, *args: Any, **options: Any) -> SyncHandle:
        """Start a workflow and do no work yet; options as `Tollway.start`."""
        return self.app_of(workflow).start_sync(workflow, *args, **options)

    def work_off(self, *, timeout: float = REAL_SECONDS) -> None:
        """Do all that is due, on a clock that stands still. Raises: TaskStuck, when the real time is over."""
        _no_loop("work_off", "await env.work_off_async()")
        asyncio.run(self.work_off_async(timeout=timeout))

    async def work_off_async(self, *, timeout: float = REAL_SECONDS) -> None:
        """As `work_off`, on the running event loop."""
        self._some_app()
        await Driver(self.db, self._bound, seconds=timeout).work_off()

    def advance(self, by: timedelta) -> None:
        """Move the clock; `work_off` then does what has become due."""
        self.db.clock.advance(by)

    def emit(self, name: str, payload: Any = None, *, queue: str | None = None) -> None:
        """Emit an event, in the queue of the first bound app unless `queue` is given. The first emission of a name wins."""
        emit(self.db, queue or self._some_app().queue, name, payload)

    def task(self, task: Handle | SyncHandle | UUID) -> TaskView:
        """A task as it is now: its state, its steps with their values, its log."""
        return view(self.db, task if isinstance(task, UUID) else task.id)

    # -- crashes ------------------------------------------------------------------------------------------------

    def assert_resume_safe(
        self,
        workflow: Workflow | str,
        *args: Any,
        events: Mapping[str, Any] | None = None,
        setup: Callback | None = None,
        check: Callback | None = None,
        strict: Collection[str] = (),
        varies: Collection[str] = (),
        max_kills: int | None = None,
        timeout: float = REAL_SECONDS,
        **options: Any,
    ) -> ResumeReport:
        """Kill the worker right before and right after every commit of a workflow, and see it end as if nobody had.

        First the workflow is run twice without a kill. Then for each of its commits, twice: on a fresh database, a worker is
        killed there (its next calls never happen, nothing is unwound), its lease runs out on the test's clock, and a second
        worker takes over. The workflow must complete with the same result and the same recorded steps, none recorded twice;
        its code, run again, must ask for the same steps in the same order with the same inputs; `verify()` must be empty.
        A later run that the workflow starts of itself must be started; what becomes of it is none of this check's concern.

        Args:
            events: payloads by name, emitted when a task waits for them.
            setup: called before each run, with the run's database if it takes an argument: makes tables, puts globals back.
            check: called after each run, as `setup`: your own assertion about rows. It fails by raising, or by returning False.
            strict: steps whose body must not have its effect twice. A step's body does, when the kill comes before its record is
                committed; that of `ctx.transaction` does not.
            varies: steps whose body draws a new value each time it runs: an id, a time. Each run is given the first run's value, so
                that all that follows from it can be compared. The context's own now, random and uuid need not be named.
            max_kills: at most so many, from all over the run.
            timeout: seconds of real time, for each run.
            options: as `Tollway.start`.

        Raises:
            AssertionError: where the worker was killed, what differed, and what to do.
            TaskFailed, TaskStuck: it does not complete even if nobody kills it.
            InvalidOption: `strict` or `varies` names a step that never ran.
        """
        __tracebackhide__ = True  # pytest shows the test's line
        _no_loop("assert_resume_safe", "await asyncio.to_thread(env.assert_resume_safe, ...)")
        given = Options(events or {}, setup, check, frozenset(strict), frozenset(varies), max_kills, timeout)
        app = self.app_of(workflow)
        start = partial(app.start_sync, workflow, *args, **options)
        name = workflow if isinstance(workflow, str) else workflow.name
        return ResumeCheck(name, start, self._fresh, self._bound, self.db.clock.now(), given).run()

    @contextmanager
    def _fresh(self) -> Iterator[TestDatabase]:
        """Another database for the time of the block, for the test and its apps."""
        before = self.db
        with self.server.database() as database:
            self._use(database)
            try:
                yield database
            finally:
                self._use(before)

    def _use(self, database: TestDatabase) -> None:
        self.db = database
        for bound in self._bound:
            bound.point_at(database)

    # -- which app ----------------------------------------------------------------------------------------------

    def app_of(self, workflow: Workflow | str) -> Tollway:
        """The bound app that has the workflow. Raises: InvalidOption, WorkflowNotRegistered."""
        name = workflow if isinstance(workflow, str) else workflow.name
        self._some_app()
        having = [bound.app for bound in self._bound if bound.app.registry.find(name) is not None]
        if not having:
            self._bound[0].app.registry.get(name)  # raises, and says what is meant
        return having[0]

    def _some_app(self) -> Tollway:
        if not self._bound:
            raise InvalidOption("no app is bound to this test's database", hint="call env.bind(app) first.")
        return self._bound[0].app


def _no_loop(method: str, instead: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise InvalidOption(f"env.{method} inside a running event loop", hint=f"use {instead}.")
