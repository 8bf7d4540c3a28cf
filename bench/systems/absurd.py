"""absurd: its schema by absurdctl, its Python SDK. The synchronous worker on one connection is its fastest for short tasks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.system import BUSINESS, INSERT_BUSINESS, System

QUEUE = "bench"


class AbsurdSystem(System):
    name = "absurd"
    requirements = "absurd.txt"
    module = "absurd_sdk"
    polls = {"defaults": None, "tuned": 0.01}
    done = "select count(*) from absurd.t_bench where state = 'completed'"
    failed = "select count(*) from absurd.t_bench where state in ('failed', 'cancelled') or attempts > 1"
    checkpoints = "select count(*) from absurd.c_bench"
    waiting = "select count(*) from absurd.t_bench where state = 'sleeping'"
    results = "select coalesce(completed_payload::text, 'null'), count(*) from absurd.t_bench where task_name = %s group by 1"
    settle = "vacuum analyze"

    def install(self) -> None:
        control = Path(sys.executable).with_name("absurdctl")
        environment = {**os.environ, "ABSURD_DATABASE_URL": self.dsn}
        subprocess.run([control, "init"], check=True, env=environment, stdout=subprocess.DEVNULL)
        subprocess.run([control, "create-queue", QUEUE], check=True, env=environment, stdout=subprocess.DEVNULL)
        import psycopg

        with psycopg.connect(self.dsn) as connection:
            connection.execute(BUSINESS)

    def open(self) -> None:
        import psycopg
        from absurd_sdk import Absurd

        self._connection = psycopg.connect(self.dsn, autocommit=True)
        self._app = Absurd(self._connection, queue_name=QUEUE)

    def start(self, kind: str, number: int, body: Any = None) -> str:
        return self._app.spawn(kind, [number, body], queue=QUEUE)["task_id"]

    def start_many(self, kind: str, numbers: Sequence[int], body: Any = None) -> None:
        """It has no call for many: one transaction round all, and psycopg's pipeline."""
        with self._connection.pipeline(), self._connection.transaction():
            for number in numbers:
                self.start(kind, number, body)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Callable[[str, int], None]]:
        with self._connection.transaction():
            self._connection.execute(INSERT_BUSINESS)
            yield self.start  # type: ignore[misc]

    def wait(self, handle: str) -> Any:
        return self._app.await_task_result(handle, timeout=60, queue_name=QUEUE).result

    def emit(self, number: int) -> None:
        self._app.emit_event(f"event {number}", number, queue_name=QUEUE)

    def emit_to_all(self, first: int, count: int) -> None:  # noqa: ARG002
        self._app.emit_event("event of all", count, queue_name=QUEUE)

    def work(self, concurrency: int, poll: float | None = None) -> None:
        from absurd_sdk import Absurd

        # its threads share one connection: more than one made it slower in every trial
        app = Absurd(self.dsn, queue_name=QUEUE)
        _register(app, self)
        options = {} if poll is None else {"poll_interval": poll}
        app.start_worker(concurrency=1, batch_size=min(concurrency, 50), **options)


def _register(app: Any, system: System) -> None:
    marks = system.marks

    def noop(_params: Any, _ctx: Any) -> None:
        marks.hit()

    def steps(params: Any, ctx: Any) -> int:
        marks.begin()
        total = sum(ctx.step(f"step {n}", lambda n=n: n) for n in range(params[1]))
        marks.hit()
        return total

    def stamp(params: Any, _ctx: Any) -> int:
        marks.stamp(params[0])
        return params[0]

    def wait(params: Any, ctx: Any) -> int:
        payload = ctx.await_event(f"event {params[0]}")
        marks.stamp(params[0])
        return payload

    def wait_all(params: Any, ctx: Any) -> int:
        payload = ctx.await_event("event of all")
        marks.stamp(params[0])
        return payload

    for handler in (noop, steps, stamp, wait, wait_all):
        app.register_task(handler.__name__)(handler)
    app.register_task("noop_sync")(noop)
    app.register_task("steps_sync")(steps)


SYSTEM = AbsurdSystem
