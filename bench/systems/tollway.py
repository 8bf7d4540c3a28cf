"""Tollway: one worker process is asyncio with group commit; the client is the synchronous one, on one connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from harness.system import BUSINESS, INSERT_BUSINESS, System

QUEUE = "bench"


class TollwaySystem(System):
    name = "tollway"
    module = "tollway.worker"
    done = "select count(*) from absurd.task where state = 'completed'"
    failed = "select count(*) from absurd.task where state in ('failed', 'cancelled') or attempt > 1"
    checkpoints = "select count(*) from absurd.checkpoint"
    waiting = "select count(*) from absurd.task where state = 'sleeping'"
    results = "select coalesce(result::text, 'null'), count(*) from absurd.workflow_run where workflow_name = %s group by 1"
    settle = "vacuum analyze"

    def install(self) -> None:
        import psycopg

        from tollway import Client
        from tollway.schema import install

        install(self.dsn)
        with psycopg.connect(self.dsn) as connection:
            Client(connection).create_queue(QUEUE)
            connection.execute(BUSINESS)

    def open(self) -> None:
        import psycopg

        from tollway import Client, Tollway

        self._connection = psycopg.connect(self.dsn, autocommit=True)
        self._client = Client(self._connection)
        self._app = Tollway(self.dsn, queue=QUEUE)

    def start(self, kind: str, number: int, body: Any = None) -> UUID:
        return self._client.spawn_task(QUEUE, kind, _params(number, body), {"max_attempts": 5}).task_id

    def start_many(self, kind: str, numbers: Sequence[int], body: Any = None) -> None:
        self._client.spawn_tasks(QUEUE, [{"task_name": kind, "params": _params(n, body), "options": {"max_attempts": 5}} for n in numbers])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Callable[[str, int], None]]:
        with self._connection.transaction():
            self._connection.execute(INSERT_BUSINESS)
            yield self.start  # type: ignore[misc]

    def wait(self, handle: UUID) -> Any:
        return self._app.handle_sync(handle).result(timeout=60)

    def emit(self, number: int) -> None:
        self._client.emit_event(QUEUE, f"event {number}", number)

    def emit_to_all(self, first: int, count: int) -> None:  # noqa: ARG002
        self._client.emit_event(QUEUE, "event of all", count)

    def work(self, concurrency: int, poll: float | None = None) -> None:  # noqa: ARG002 - an idle worker is told
        from systems.tollway_handlers import app_of
        from tollway.worker import Worker, WorkerOptions

        worker = Worker(app_of(self).registry, self.dsn, WorkerOptions(queue=QUEUE, concurrency=concurrency))
        asyncio.run(worker.run(signals=True))


def _params(number: int, body: Any) -> dict[str, Any]:
    return {"number": number, "body": body}


SYSTEM = TollwaySystem
