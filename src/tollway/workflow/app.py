"""`Tollway`: where workflows are declared, and started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import EllipsisType
from typing import Any, overload
from uuid import UUID

from tollway.client import AbsurdClient, AsyncAbsurdClient
from tollway.errors import InvalidOption
from tollway.protocol.codec import settle
from tollway.workflow.business import Source, begin_of
from tollway.workflow.definition import Handler, Hook, Registry, Workflow, define
from tollway.workflow.durations import Duration
from tollway.workflow.fallback import embedded_dsn
from tollway.workflow.handle import Handle
from tollway.workflow.names import check_name, task_id_of
from tollway.workflow.options import StartOptions, check_hook, inputs_of, params_of
from tollway.workflow.retry import Retry
from tollway.workflow.spare import Spares
from tollway.workflow.sync_handle import SyncHandle
from tollway.workflow.typed import UNTYPED

DSN_VARIABLE = "TOLLWAY_DATABASE_URL"
MAX_ATTEMPTS = 5
RETRY: Mapping[str, Any] = {"kind": "exponential", "base_seconds": 1, "factor": 2, "max_seconds": 300}


class Tollway:
    """An application: its workflows, its queue, its database.

    Args:
        dsn: defaults to $TOLLWAY_DATABASE_URL, read when the first connection is opened, not at import; without either, to
            the embedded PostgreSQL that `tollway dev` uses too.
        queue: where its workflows run, unless a start says otherwise.
        connect: what `ctx.transaction` gets its connections from, in the same database: an SQLAlchemy engine or session
            factory (its `begin`), or a function that returns a context manager which commits at its end. A function of one
            parameter is given the database's address by the worker, and makes one of these: nothing needs to be known at import.
            Default: psycopg.
    """

    def __init__(self, dsn: str | None = None, queue: str = "default", *, connect: Source = None) -> None:
        if dsn is not None and not isinstance(dsn, str):
            raise InvalidOption(f"dsn is {dsn!r}", hint="use an address: postgresql://user@host:5432/database.")
        self._dsn = dsn
        self.queue = check_name("queue", queue)
        self.registry = Registry()
        if connect is not None:
            begin_of(connect)  # what cannot be one is refused here, not in the first transaction
        self.registry.connect = connect
        self.spares = Spares()
        self.waiters: set[object] = set()

    @property
    def dsn(self) -> str:
        """Where the database is. Raises: InvalidOption, when none was given and the embedded one is not installed."""
        return self._dsn or os.environ.get(DSN_VARIABLE) or embedded_dsn(self.queue)

    def close(self) -> None:
        """Close the connections that requests without `conn` opened and keep for the next, at most eight and eight of each event loop.

        They close by themselves with the application and the process; one that was idle for a minute is not used again.
        """
        self.spares.close()

    # -- declaring ----------------------------------------------------------------------------------------------

    @overload
    def workflow(self, fn: Handler) -> Workflow: ...
    @overload
    def workflow(
        self,
        *,
        name: str | None = None,
        version: str | None = None,
        max_attempts: int | EllipsisType | None = ...,
        retry: Retry | Mapping[str, Any] | None = RETRY,
    ) -> Callable[[Handler], Workflow]: ...
    def workflow(
        self,
        fn: Handler | None = None,
        *,
        name: str | None = None,
        version: str | None = None,
        max_attempts: int | EllipsisType | None = ...,
        retry: Retry | Mapping[str, Any] | None = RETRY,
    ) -> Workflow | Callable[[Handler], Workflow]:
        """Declare a function, async or sync, as a workflow. Its first parameter is the context.

        `retry` and `max_attempts` (None: without limit) are given to each task that is started. The default is five
        attempts, the waits between them growing from one second to five minutes at most. A `Retry` brings its own number.
        """
        own = retry.max_attempts if isinstance(retry, Retry) else MAX_ATTEMPTS
        attempts = own if isinstance(max_attempts, EllipsisType) else max_attempts

        def register(function: Handler) -> Workflow:
            workflow = define(function, name=name, version=version, queue=self.queue, max_attempts=attempts, retry=retry)
            self.registry.add(workflow)
            return workflow

        return register if fn is None else register(fn)

    # -- reacting to moves --------------------------------------------------------------------------------------

    def on_move(
        self, to_state: str, workflow: Workflow | str | None = None, *, name: str | None = None, queue: str | None = None
    ) -> Callable[[Handler], Workflow]:
        """Declare a workflow that the database starts with every move of a task to `to_state`, whoever moves it.

        The handler is spawned in the transaction of the move itself, by the gate: also for a move made in psql, by an
        expired lease, or by another language's client. It takes one argument, a `tollway.model.Move` (or a mapping). Handlers'
        own tasks and their children start no handlers. A worker registers the hooks of its app when it starts.

        Args:
            to_state: pending, running, sleeping, completed, failed or cancelled.
            workflow: whose tasks; None for every task of the queue.
            name: of the handler; default its function's.
            queue: whose tasks; default the app's queue.

        Raises:
            InvalidOption: no such state, or no workflow.
        """
        task_name = check_hook(f'on_move("{to_state}")', to_state, workflow)

        def register(function: Handler) -> Workflow:
            handler = self.workflow(name=name)(function)
            self.registry.hooks.append(Hook(queue or self.queue, task_name, to_state, handler))
            return handler

        return register

    def on_failure(self, workflow: Workflow | str | None = None, *, name: str | None = None) -> Callable[[Handler], Workflow]:
        """As `on_move("failed")`: after the last attempt."""
        return self.on_move("failed", check_hook("on_failure()", "failed", workflow), name=name)

    def on_completion(self, workflow: Workflow | str | None = None, *, name: str | None = None) -> Callable[[Handler], Workflow]:
        """As `on_move("completed")`."""
        return self.on_move("completed", check_hook("on_completion()", "completed", workflow), name=name)

    def on_cancellation(self, workflow: Workflow | str | None = None, *, name: str | None = None) -> Callable[[Handler], Workflow]:
        """As `on_move("cancelled")`."""
        return self.on_move("cancelled", check_hook("on_cancellation()", "cancelled", workflow), name=name)

    # -- starting -----------------------------------------------------------------------------------------------

    async def start(
        self,
        workflow: Workflow | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        delay: Duration | None = None,
        start_at: datetime | None = None,
        deadline: Duration | datetime | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        conn: Any = None,
    ) -> Handle:
        """Start a workflow with its arguments and return a handle to it.

        Args:
            workflow: the decorated function, or its name.
            args, kwargs: its arguments, checked by its annotations before anything is sent.
            idempotency_key: the same key gives the same task, however often it is started. Workflows of a queue share their keys:
                put the workflow's name into it.
            delay, start_at: when it may begin; now by default.
            deadline: when it is cancelled unless it has ended: a moment, or a duration from now.
            priority: lower runs first; -32768 to 32767, default 0.
            max_attempts, retry: instead of the workflow's own.
            tags: texts to find it by.
            queue: instead of the workflow's own.
            conn: your connection or session (psycopg, SQLAlchemy). The start joins your transaction: nothing begins before
                you commit. Without it, the start is committed when this returns.

        Raises:
            InvalidPayload: an argument does not fit; the message names the field.
            InvalidOption: an option is out of range, or of a wrong type.
            UnknownQueue, DatabaseUnreachable, WorkflowNotRegistered.
        """
        given = StartOptions(idempotency_key, delay, start_at, deadline, priority, max_attempts, retry, tags, queue)
        known, task = self._task(workflow, args, kwargs, given)
        if conn is not None:
            spawned = await AsyncAbsurdClient(conn).spawn_task(*task)
        else:
            async with self.spares.lend_async(self.dsn) as own:
                spawned = await own.spawn_task(*task)
        return Handle(self, task[0], spawned.task_id, known.result)

    async def start_many(
        self,
        workflow: Workflow | str,
        inputs: Iterable[Any],
        *,
        delay: Duration | None = None,
        start_at: datetime | None = None,
        deadline: Duration | datetime | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        idempotency_key: Callable[[Any], str] | None = None,
        conn: Any = None,
    ) -> list[Handle]:
        """Start a workflow once for each input, all in one transaction; options as `start`.

        An input is the workflow's only argument, or a mapping of its arguments by name. `idempotency_key` gives each
        input its key.
        """
        given = StartOptions(None, delay, start_at, deadline, priority, max_attempts, retry, tags, queue)
        known, where, tasks = self._tasks(workflow, inputs, given, idempotency_key)
        if conn is not None:
            spawned = await AsyncAbsurdClient(conn).spawn_tasks(where, tasks)
        else:
            async with self.spares.lend_async(self.dsn) as own:
                spawned = await own.spawn_tasks(where, tasks)
        return [Handle(self, where, task.task_id, known.result) for task in spawned]

    def start_sync(
        self,
        workflow: Workflow | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        delay: Duration | None = None,
        start_at: datetime | None = None,
        deadline: Duration | datetime | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        conn: Any = None,
    ) -> SyncHandle:
        """As `start`, on a synchronous connection."""
        given = StartOptions(idempotency_key, delay, start_at, deadline, priority, max_attempts, retry, tags, queue)
        known, task = self._task(workflow, args, kwargs, given)
        if conn is not None:
            spawned = AbsurdClient(conn).spawn_task(*task)
        else:
            with self.spares.lend(self.dsn) as own:
                spawned = own.spawn_task(*task)
        return SyncHandle(self, task[0], spawned.task_id, known.result)

    def start_many_sync(
        self,
        workflow: Workflow | str,
        inputs: Iterable[Any],
        *,
        delay: Duration | None = None,
        start_at: datetime | None = None,
        deadline: Duration | datetime | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        idempotency_key: Callable[[Any], str] | None = None,
        conn: Any = None,
    ) -> list[SyncHandle]:
        """As `start_many`."""
        given = StartOptions(None, delay, start_at, deadline, priority, max_attempts, retry, tags, queue)
        known, where, tasks = self._tasks(workflow, inputs, given, idempotency_key)
        if conn is not None:
            spawned = AbsurdClient(conn).spawn_tasks(where, tasks)
        else:
            with self.spares.lend(self.dsn) as own:
                spawned = own.spawn_tasks(where, tasks)
        return [SyncHandle(self, where, task.task_id, known.result) for task in spawned]

    def handle(self, task_id: UUID | str, *, queue: str | None = None) -> Handle:
        """A handle to a task that was started elsewhere, by its id or the text of it. Raises: InvalidOption, if it is none."""
        return Handle(self, self._queue(queue), task_id_of(task_id), UNTYPED)

    def handle_sync(self, task_id: UUID | str, *, queue: str | None = None) -> SyncHandle:
        """As `handle`."""
        return SyncHandle(self, self._queue(queue), task_id_of(task_id), UNTYPED)

    async def emit_event(
        self,
        name: str,
        payload: Any = None,
        *,
        queue: str | None = None,
        conn: Any = None,
    ) -> None:
        """Emit an event and wake who waits for it; with `conn`, when you commit. The first emission wins."""
        where, wire = self._queue(queue), self._event(name, payload)
        if conn is not None:
            await AsyncAbsurdClient(conn).emit_event(where, name, wire)
        else:
            async with self.spares.lend_async(self.dsn) as own:
                await own.emit_event(where, name, wire)

    def emit_event_sync(self, name: str, payload: Any = None, *, queue: str | None = None, conn: Any = None) -> None:
        """As `emit_event`."""
        where, wire = self._queue(queue), self._event(name, payload)
        if conn is not None:
            AbsurdClient(conn).emit_event(where, name, wire)
        else:
            with self.spares.lend(self.dsn) as own:
                own.emit_event(where, name, wire)

    def _queue(self, given: str | None) -> str:
        return self.queue if given is None else check_name("queue", given)

    def _event(self, name: str, payload: Any) -> Any:
        check_name("event", name)
        return settle(payload, f"the payload of event {name!r}")[1]

    def _task(
        self, workflow: Workflow | str, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, given: StartOptions
    ) -> tuple[Workflow, tuple[str, str, Any, dict[str, Any]]]:
        """The workflow; queue, task name, params and options of its spawn."""
        known = self.registry.get(workflow)
        return known, (given.queue_for(known), known.name, params_of(known, args, kwargs)[1], given.document(known))

    def _tasks(
        self, workflow: Workflow | str, inputs: Iterable[Any], given: StartOptions, key: Callable[[Any], str] | None
    ) -> tuple[Workflow, str, list[dict[str, Any]]]:
        known = self.registry.get(workflow)
        tasks = []
        for value in inputs_of(inputs, key):
            options = given if key is None else given._replace(idempotency_key=key(value))
            by_name = isinstance(value, Mapping) and len(known.parameters) != 1
            params = params_of(known, (), value)[1] if by_name else params_of(known, (value,), None)[1]
            tasks.append({"task_name": known.name, "params": params, "options": options.document(known)})
        return known, given.queue_for(known), tasks
