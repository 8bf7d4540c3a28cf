"""`Tollway`: where workflows are declared, and started."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, overload
from uuid import UUID

import psycopg

from tollway.client import AbsurdClient, AsyncAbsurdClient
from tollway.errors import InvalidOption
from tollway.protocol.codec import settle
from tollway.workflow.connect import connect_async, connect_sync
from tollway.workflow.definition import Handler, Registry, Workflow, define
from tollway.workflow.durations import Duration, seconds_of
from tollway.workflow.handle import Handle, SyncHandle
from tollway.workflow.names import check_name

DSN_VARIABLE = "TOLLWAY_DATABASE_URL"
MAX_ATTEMPTS = 5
RETRY: Mapping[str, Any] = {"kind": "exponential", "base_seconds": 1, "factor": 2, "max_seconds": 300}


class Tollway:
    """An application: its workflows, its queue, its database.

    `dsn` defaults to $TOLLWAY_DATABASE_URL, read when the first connection is opened, not at import.
    """

    def __init__(self, dsn: str | None = None, queue: str = "default") -> None:
        self._dsn = dsn
        self.queue = queue
        self.registry = Registry()

    @property
    def dsn(self) -> str:
        """Raises: InvalidOption, when neither the argument nor the variable is set."""
        dsn = self._dsn or os.environ.get(DSN_VARIABLE)
        if not dsn:
            raise InvalidOption("no database was given", hint=f"set {DSN_VARIABLE} or pass dsn=.")
        return dsn

    # -- declaring ----------------------------------------------------------------------------------------------

    @overload
    def workflow(self, fn: Handler) -> Workflow: ...
    @overload
    def workflow(
        self,
        *,
        name: str | None = None,
        version: str | None = None,
        max_attempts: int | None = MAX_ATTEMPTS,
        retry: Mapping[str, Any] | None = RETRY,
    ) -> Callable[[Handler], Workflow]: ...
    def workflow(
        self,
        fn: Handler | None = None,
        *,
        name: str | None = None,
        version: str | None = None,
        max_attempts: int | None = MAX_ATTEMPTS,
        retry: Mapping[str, Any] | None = RETRY,
    ) -> Workflow | Callable[[Handler], Workflow]:
        """Declare a function, async or sync, as a workflow. Its first parameter is the context.

        `max_attempts` (None: without limit) and `retry` are given to each task that is started. The default is
        five attempts, the waits between them growing from one second to five minutes at most.
        """

        def register(function: Handler) -> Workflow:
            workflow = define(function, name=name, version=version, queue=self.queue, max_attempts=max_attempts, retry=retry)
            self.registry.add(workflow)
            return workflow

        return register if fn is None else register(fn)

    # -- starting -----------------------------------------------------------------------------------------------

    async def start(
        self,
        workflow: Workflow | str,
        *args: Any,
        idempotency_key: str | None = None,
        delay: Duration | None = None,
        start_at: datetime | None = None,
        priority: int | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        kwargs: Mapping[str, Any] | None = None,
        conn: psycopg.AsyncConnection[Any] | None = None,
    ) -> Handle:
        """Start a workflow with its arguments and return a handle to it.

        With `conn` it joins your transaction, and nothing starts before you commit; without, it is committed when
        this returns. The same `idempotency_key` gives the same task. A lower `priority` runs first (default 0).
        """
        task = self._task(workflow, args, kwargs, idempotency_key, delay, start_at, priority, tags, queue)
        if conn is not None:
            spawned = await AsyncAbsurdClient(conn).spawn_task(*task)
        else:
            async with await connect_async(self.dsn) as own:
                spawned = await AsyncAbsurdClient(own).spawn_task(*task)
        return Handle(self, task[0], spawned.task_id)

    def start_sync(
        self,
        workflow: Workflow | str,
        *args: Any,
        idempotency_key: str | None = None,
        delay: Duration | None = None,
        start_at: datetime | None = None,
        priority: int | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        kwargs: Mapping[str, Any] | None = None,
        conn: psycopg.Connection[Any] | None = None,
    ) -> SyncHandle:
        """As `start`, on a synchronous connection."""
        task = self._task(workflow, args, kwargs, idempotency_key, delay, start_at, priority, tags, queue)
        if conn is not None:
            spawned = AbsurdClient(conn).spawn_task(*task)
        else:
            with connect_sync(self.dsn) as own:
                spawned = AbsurdClient(own).spawn_task(*task)
        return SyncHandle(self, task[0], spawned.task_id)

    def handle(self, task_id: UUID, *, queue: str | None = None) -> Handle:
        """A handle to a task that was started elsewhere."""
        return Handle(self, queue or self.queue, task_id)

    def handle_sync(self, task_id: UUID, *, queue: str | None = None) -> SyncHandle:
        """As `handle`."""
        return SyncHandle(self, queue or self.queue, task_id)

    async def emit_event(
        self,
        name: str,
        payload: Any = None,
        *,
        queue: str | None = None,
        conn: psycopg.AsyncConnection[Any] | None = None,
    ) -> None:
        """Emit an event and wake who waits for it; with `conn`, when you commit. The first emission wins."""
        wire = self._event(name, payload)
        if conn is not None:
            await AsyncAbsurdClient(conn).emit_event(queue or self.queue, name, wire)
        else:
            async with await connect_async(self.dsn) as own:
                await AsyncAbsurdClient(own).emit_event(queue or self.queue, name, wire)

    def emit_event_sync(
        self, name: str, payload: Any = None, *, queue: str | None = None, conn: psycopg.Connection[Any] | None = None
    ) -> None:
        """As `emit_event`."""
        wire = self._event(name, payload)
        if conn is not None:
            AbsurdClient(conn).emit_event(queue or self.queue, name, wire)
        else:
            with connect_sync(self.dsn) as own:
                AbsurdClient(own).emit_event(queue or self.queue, name, wire)

    def _event(self, name: str, payload: Any) -> Any:
        check_name("event", name)
        return settle(payload, f"the payload of event {name!r}")[1]

    def _task(
        self,
        workflow: Workflow | str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        idempotency_key: str | None,
        delay: Duration | None,
        start_at: datetime | None,
        priority: int | None,
        tags: Sequence[str],
        queue: str | None,
    ) -> tuple[str, str, Any, dict[str, Any]]:
        """Queue, task name, params and options of a spawn."""
        known = self.registry.get(workflow)
        _, params = settle(known.encode_arguments(args, kwargs or {}), f"the arguments of workflow {known.name!r}")
        options: dict[str, Any] = {"workflow_hash": known.code_hash}
        given = {
            "workflow_version": known.version,
            "max_attempts": known.max_attempts,
            "retry_strategy": known.retry,
            "idempotency_key": idempotency_key,
            "delay_seconds": None if delay is None else seconds_of(delay, "delay"),
            "start_at": None if start_at is None else start_at.isoformat(),
            "priority": priority,
            "tags": list(tags) or None,
        }
        options.update({name: value for name, value in given.items() if value is not None})
        return queue or known.queue, known.name, params, options
