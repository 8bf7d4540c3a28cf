"""One system in one fresh database: its client, its workers, and the checks of what they did."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg

from harness.agents import Agent
from harness.marks import Marks
from harness.server import Server
from harness.system import System

DRAIN_WITHIN = 900.0
LOOK_EVERY = 0.002
CONCURRENCY = 200


class WrongCountError(Exception):
    """The system did not do what was asked of it: a number measured so is worth nothing."""


class Bed:
    """What a workload measures with."""

    def __init__(self, system: type[System], dsn: str, marks: Marks, server: Server) -> None:
        self.system = system
        self.dsn = dsn
        self.marks = marks
        self._server = server
        self.sql = psycopg.connect(dsn, autocommit=True)
        self.client = Agent(system, dsn, server.folder)
        self.client.call("open")
        self.workers: list[Agent] = []
        self.asked = 0
        """Our own statements, each a transaction, which no system is charged with."""

    def close(self) -> None:
        self.stop_workers()
        self.client.stop()
        self.sql.close()

    # -- asking -------------------------------------------------------------------------------------------------

    def one(self, sql: str, *params: Any) -> Any:
        self.asked += 1
        row = self.sql.execute(sql, params).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]

    def count(self, full: int) -> int:
        """A workload's count for this system: less where it would take too long."""
        return max(1, round(full * self.system.share))

    def spawn(self, kind: str, count: int, **how: Any) -> float:
        """Queue tasks; how many a second."""
        return count / float(self.client.call("spawn", kind=kind, count=count, **how))

    # -- working ------------------------------------------------------------------------------------------------

    def start_workers(self, count: int = 1, concurrency: int = CONCURRENCY, configuration: str | None = None) -> None:
        """So many worker processes; all have imported their code before the first begins."""
        poll = self.system.polls[configuration] if configuration in self.system.polls else list(self.system.polls.values())[-1]
        self.workers = [Agent(self.system, self.dsn, self._server.folder, worker=n + 1) for n in range(count)]
        for worker in self.workers:
            worker.work(concurrency, poll)

    def stop_workers(self) -> None:
        for worker in self.workers:
            worker.stop()
        self.workers = []

    def drain(self, expected: int, workers: int = 1, concurrency: int = CONCURRENCY) -> float:
        """Run workers until `expected` queued tasks are durably done; seconds from the first handler's begin."""
        before = self.one(self.system.done)
        self.marks.reset()
        self.start_workers(workers, concurrency)
        try:
            self.until(lambda: self.marks.handled >= expected)
            self.until(lambda: int(self.one(self.system.done)) >= before + expected)
            seconds = (time.monotonic_ns() - self.marks.first) / 1e9
        finally:
            self.stop_workers()
        self.check("tasks done", self.one(self.system.done), before + expected)
        self.check("tasks failed or tried twice", self.one(self.system.failed), 0)
        return seconds

    def until(self, holds: Any, *, watch: bool = True) -> None:
        """Watched, it looks once a second for tasks that failed, which reads all tasks there are.

        Raises: TimeoutError; AgentFailed, when a worker fails meanwhile.
        """
        ends = time.monotonic() + DRAIN_WITHIN
        looked = time.monotonic()
        while not holds():
            now = time.monotonic()
            if now > ends:
                raise TimeoutError(f"{self.system.name}: {self.marks.handled} tasks handled in {DRAIN_WITHIN:g} s")
            if now > looked + 1:
                looked = now
                for worker in self.workers:
                    worker.check()
                if watch:
                    self.check("tasks failed or tried twice", self.one(self.system.failed), 0)
            time.sleep(LOOK_EVERY)

    def commits_per_second(self) -> float:
        """Of the machine, now, on one connection."""
        return self._server.commits_per_second(1.0)

    # -- checking -----------------------------------------------------------------------------------------------

    def check(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            raise WrongCountError(f"{self.system.name}: {what}: {found!r}, not {expected!r}")

    def check_steps(self, recorded: int) -> None:
        self.check("steps recorded", self.one(self.system.checkpoints), recorded)

    def check_results(self, kind: str, count: int, result: Any) -> None:
        """All tasks of a kind have one result; skipped for a system that keeps none that SQL can read."""
        if self.system.results:
            self.asked += 1
            found = self.sql.execute(self.system.results, (kind,)).fetchall()  # type: ignore[arg-type]
            self.check(f"results of {kind}", found, [(result, count)])


@contextlib.contextmanager
def bed(system: type[System], schema: type[System], server: Server) -> Iterator[Bed]:
    """A fresh database with the schema installed, and a client connected."""
    path = server.folder / "marks"
    path.unlink(missing_ok=True)
    marks = Marks(path)
    with server.database() as dsn:
        installer = Agent(schema, dsn, server.folder)
        try:
            installer.call("install")
        finally:
            installer.stop()
        made = Bed(system, dsn, marks, server)
        try:
            yield made
        finally:
            made.close()
