"""DBOS Transact: a queue, asynchronous workflows, the client library in a process of its own.

It has no call that queues many: they are queued in one SQLAlchemy transaction.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from harness.system import BUSINESS, INSERT_BUSINESS, System

QUEUE = "bench"
VERSION = "bench"


class DbosSystem(System):
    name = "dbos"
    requirements = "dbos.txt"
    module = "dbos"
    features = frozenset({"tasks", "steps", "events", "results", "threads"})
    share = 0.2
    polls = {"defaults": None, "tuned": 0.01}
    done = "select count(*) from dbos.workflow_status where status = 'SUCCESS'"
    failed = """select count(*) from dbos.workflow_status
                where status not in ('SUCCESS', 'PENDING', 'ENQUEUED', 'DELAYED') or recovery_attempts > 1"""
    checkpoints = "select count(*) from dbos.operation_outputs"
    waiting = "select count(*) from dbos.workflow_status where status = 'PENDING'"
    settle = "vacuum analyze"

    def install(self) -> None:
        import psycopg

        dbos = self._dbos()
        dbos.launch()
        dbos.destroy()
        with psycopg.connect(self.dsn) as connection:
            connection.execute(BUSINESS)

    def open(self) -> None:
        import sqlalchemy
        from dbos import DBOSClient

        self._engine = sqlalchemy.create_engine(self.dsn.replace("postgresql://", "postgresql+psycopg://"), pool_size=2)
        self._client = DBOSClient(system_database_url=self.dsn, use_listen_notify=True)

    def start(self, kind: str, number: int, body: Any = None) -> Any:
        return self._client.enqueue(_options(kind, number), number, body)

    def start_many(self, kind: str, numbers: Sequence[int], body: Any = None) -> None:
        with self._engine.begin() as connection:
            for number in numbers:
                self._client.enqueue_in_transaction(connection, _options(kind, number), number, body)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Callable[[str, int], None]]:
        import sqlalchemy

        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.text(INSERT_BUSINESS))
            yield lambda kind, number: self._client.enqueue_in_transaction(connection, _options(kind, number), number, None)  # type: ignore[func-returns-value]

    def wait(self, handle: Any) -> Any:
        return handle.get_result(polling_interval_sec=0.01)

    def emit(self, number: int) -> None:
        self._client.send(f"wait {number}", number)

    def emit_to_all(self, first: int, count: int) -> None:
        """A message has one receiver; they are sent in one call."""
        from dbos._sys_db import SendMessage

        self._client.send_bulk([SendMessage(f"wait_all {first + n}", count) for n in range(count)])

    def work(self, concurrency: int, poll: float | None = None) -> None:
        from dbos import DBOS, DBOSClient

        # before the launch: a thread that has begun with another interval comes near this one only by and by
        client = DBOSClient(system_database_url=self.dsn)
        options = {} if poll is None else {"polling_interval_sec": poll}
        client.register_queue(QUEUE, worker_concurrency=concurrency, on_conflict="always_update", **options)
        client.destroy()
        dbos = self._dbos()
        _register(self)
        _register_sync(self)
        DBOS.listen_queues([QUEUE])
        dbos.launch()
        threading.Event().wait()

    def _dbos(self) -> Any:
        from dbos import DBOS

        config = {"name": "bench", "system_database_url": self.dsn, "application_version": VERSION, "log_level": "ERROR"}
        return DBOS(config=config)


def _options(kind: str, number: int) -> Any:
    options: dict[str, Any] = {"workflow_name": kind, "queue_name": QUEUE, "app_version": VERSION}
    if kind.startswith("wait"):
        options["workflow_id"] = f"{kind} {number}"  # a message is sent to a workflow
    return options


def _register(system: System) -> None:
    from dbos import DBOS

    marks = system.marks

    @DBOS.step()
    async def echo(number: int) -> int:
        return number

    async def noop(_number: int, _body: Any) -> None:
        marks.hit()

    async def steps(_number: int, count: int) -> int:
        marks.begin()
        total = sum([await echo(n) for n in range(count)])
        marks.hit()
        return total

    async def stamp(number: int, _body: Any) -> int:
        marks.stamp(number)
        return number

    async def wait(number: int, _body: Any) -> Any:
        payload = await DBOS.recv_async(timeout_seconds=600)
        marks.stamp(number)
        return payload

    for handler in (noop, steps, stamp, wait):
        DBOS.workflow(name=handler.__name__)(handler)

    async def wait_all(number: int, body: Any) -> Any:
        return await wait(number, body)

    DBOS.workflow(name="wait_all")(wait_all)


def _register_sync(system: System) -> None:
    from dbos import DBOS

    marks = system.marks

    @DBOS.step(name="echo_sync")
    def echo_sync(number: int) -> int:
        return number

    def noop_sync(_number: int, _body: Any) -> None:
        marks.hit()

    def steps_sync(_number: int, count: int) -> int:
        marks.begin()
        total = sum(echo_sync(n) for n in range(count))
        marks.hit()
        return total

    for handler in (noop_sync, steps_sync):
        DBOS.workflow(name=handler.__name__)(handler)


SYSTEM = DbosSystem
