"""What worker tests share: a worker beside the test, a worker process, and waiting without sleeping."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import psycopg

from tollway.worker import Worker, WorkerOptions
from tollway.workflow import Tollway

DEADLINE = 20.0
HERE = Path(__file__).parent


def run(scenario: Coroutine[Any, Any, None], within: float = 60.0) -> None:
    """Run an asynchronous test; one that hangs fails."""
    asyncio.run(asyncio.wait_for(scenario, within))


async def eventually(condition: Callable[[], Awaitable[Any]], within: float = DEADLINE) -> Any:
    """The first true value of `condition`, asked again and again until the deadline."""
    ends = time.monotonic() + within
    while True:
        value = await condition()
        if value:
            return value
        assert time.monotonic() < ends, f"not within {within} s"
        await asyncio.sleep(0.01)


def eventually_sync(condition: Callable[[], Any], within: float = DEADLINE) -> Any:
    """As `eventually`."""
    ends = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < ends, f"not within {within} s"
        time.sleep(0.01)
    return value


@contextlib.asynccontextmanager
async def working(app: Tollway, **options: Any) -> AsyncIterator[Worker]:
    """A worker that runs while the block does, and is stopped without waiting for handlers."""
    worker = Worker(app.registry, app.dsn, WorkerOptions(**{"grace": 0.0, **options}))
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.hurry()
        await asyncio.wait_for(task, DEADLINE)


async def work_off(app: Tollway, **options: Any) -> None:
    """Run a worker until nothing is due."""
    await asyncio.wait_for(Worker(app.registry, app.dsn, WorkerOptions(once=True, **options)).run(), DEADLINE)


class Database:
    """Looks at the database from outside the code under test."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.connect()

    def connect(self) -> None:
        """Anew, where the server was killed."""
        self.connection = psycopg.connect(self.dsn, autocommit=True)

    def rows(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, params).fetchall()

    def one(self, query: str, *params: Any) -> Any:
        found = self.rows(query, *params)
        return found[0][0] if found else None

    def state(self, task_id: Any) -> str:
        return str(self.one("select state from absurd.task where task_id = %s", task_id))

    def states_become(self, task_id: Any, *states: str) -> Callable[[], Awaitable[bool]]:
        async def condition() -> bool:
            return self.state(task_id) in states

        return condition

    def moves(self, task_id: Any) -> list[str]:
        query = "select event from absurd.absurd_event_log where task_id = %s order by seq"
        return [row[0] for row in self.rows(query, task_id)]

    def violations(self) -> list[tuple[Any, ...]]:
        """What verify() finds, but for the test clock that every test database has."""
        return self.rows("select invariant, task_id, detail from absurd.verify() where invariant <> 'clock_is_the_databases'")

    def kill_backends(self, purpose: str) -> int:
        return len(
            self.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = %s",
                f"tollway {purpose}",
            )
        )

    def close(self) -> None:
        self.connection.close()


class WorkerProcess:
    """`tollway worker` as its own process."""

    def __init__(self, dsn: str, *arguments: str, target: str = "crashing:app", **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tollway", "worker", target, "--dsn", dsn, *arguments],
            cwd=HERE,
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, within: float = DEADLINE) -> int:
        return self.process.wait(within)

    def says(self, text: str) -> None:
        """Read its log up to a line with `text`: two signals sent at once may arrive as one."""
        assert self.process.stderr is not None
        assert any(text in line for line in self.process.stderr), f"it ended without saying {text!r}"

    def stderr(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        if self.process.stderr is not None:
            self.process.stderr.close()
