"""Procrastinate: an asynchronous worker with LISTEN. A job keeps no result, so its end is read from its status."""

# ruff: noqa: ARG001
from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from harness.system import BUSINESS, INSERT_BUSINESS, WAIT_AT_MOST, System

CONCURRENCY = 50
"""It claims one job a statement, for each slot: more slots than this made it slower."""


class ProcrastinateSystem(System):
    name = "procrastinate"
    requirements = "procrastinate.txt"
    module = "procrastinate"
    features = frozenset({"tasks", "threads"})
    share = 0.2
    done = "select count(*) from procrastinate_jobs where status = 'succeeded'"
    failed = "select count(*) from procrastinate_jobs where status in ('failed', 'aborted', 'cancelled') or attempts > 1"
    settle = "vacuum analyze"

    def install(self) -> None:
        import psycopg

        self.open()
        self._app.schema_manager.apply_schema()
        with psycopg.connect(self.dsn) as connection:
            connection.execute(BUSINESS)

    def open(self) -> None:
        import psycopg
        from procrastinate import App, SyncPsycopgConnector

        self._app = App(connector=SyncPsycopgConnector(conninfo=self.dsn, min_size=1, max_size=1))
        self._app.open()
        self._tasks = _register(self._app, self)
        self._connection = psycopg.connect(self.dsn, autocommit=True)

    def start(self, kind: str, number: int, body: Any = None) -> Any:
        return self._tasks[kind].defer(number=number, body=body)

    def start_many(self, kind: str, numbers: Sequence[int], body: Any = None) -> None:
        self._tasks[kind].batch_defer(*({"number": number, "body": body} for number in numbers))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Callable[[str, int], None]]:
        with self._connection.transaction():
            self._connection.execute(INSERT_BUSINESS)
            yield lambda kind, number: self._tasks[kind].configure(connection=self._connection).defer(number=number, body=None)

    def wait(self, handle: Any) -> Any:
        ends = time.monotonic() + WAIT_AT_MOST
        while self._app.job_manager.get_job_status(handle).value != "succeeded":
            if time.monotonic() > ends:
                raise TimeoutError(f"job {handle} did not succeed")
            time.sleep(0.001)

    def work(self, concurrency: int, poll: float | None = None) -> None:
        from procrastinate import App, PsycopgConnector

        async def main() -> None:
            app = App(connector=PsycopgConnector(conninfo=self.dsn, max_size=20))
            _register(app, self)
            options = {} if poll is None else {"fetch_job_polling_interval": poll}
            async with app.open_async():
                await app.run_worker_async(concurrency=min(concurrency, CONCURRENCY), install_signal_handlers=True, **options)

        asyncio.run(main())


def _register(app: Any, system: System) -> dict[str, Any]:
    marks = system.marks

    async def noop(number: int, body: Any) -> None:
        marks.hit()

    async def stamp(number: int, body: Any) -> None:
        marks.stamp(number)

    def noop_sync(number: int, body: Any) -> None:
        marks.hit()

    return {handler.__name__: app.task(name=handler.__name__)(handler) for handler in (noop, stamp, noop_sync)}


SYSTEM = ProcrastinateSystem
