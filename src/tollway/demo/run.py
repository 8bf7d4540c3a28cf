"""One run of the demonstration: start everything, break it, and count what is left."""

from __future__ import annotations

import platform
import signal
import sys
import time
from collections.abc import Mapping
from uuid import UUID

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from tollway.client import Client
from tollway.demo.count import count
from tollway.demo.disaster import DemoFailed, Disaster, strike
from tollway.demo.inventory import PARENT, app
from tollway.demo.library import discover
from tollway.demo.processes import DATABASE, LEASE, House
from tollway.demo.report import show_report
from tollway.demo.story import show_audit, show_other_failures, show_plain_sql, show_recovery
from tollway.demo.watch import PERIOD, Snapshot, Watch
from tollway.demo.witness import executions
from tollway.schema import install
from tollway.workflow import Tollway

KILLS = ("none", "worker", "postgres", "both")
WORKERS = ("worker-1", "worker-2")
Library = Mapping[str, list[str]]


class Demo:
    """`kill` is one of `KILLS`, `packages` how many (None: all), `timeout` in seconds."""

    def __init__(self, console: Console, house: House, *, kill: str, packages: int | None, timeout: float) -> None:
        self._console = console
        self._house = house
        self._kill = kill
        self._packages = packages
        self._began = time.monotonic()
        self._deadline = self._began + timeout
        self._library: Library = discover(packages)
        self._disaster: Disaster | None = None

    def run(self) -> int:
        """The exit code: 0 when every number is as promised. Raises: DemoFailed, TimeoutError, TollwayError, psycopg.Error."""
        self._prepare()
        root = self._work()
        there = Tollway(self._house.dsn(), app.queue)
        show_report(
            self._console,
            there.handle_sync(root).result(0),
            f"The standard library of Python {platform.python_version()}, measured durably",
        )
        there.close()  # a database that is copied below has no sessions
        return self._tell()

    def _say(self, text: str) -> None:
        line = Table.grid(padding=(0, 2))
        line.add_row(f"[dim]{time.monotonic() - self._began:6.1f} s[/]", text)
        self._console.print(line)

    def _prepare(self) -> None:
        files = sum(len(files) for files in self._library.values())
        self._console.print(
            f"[bold]Tollway[/]: {files} files in {len(self._library)} packages and modules; "
            f"{len(WORKERS)} workers, a lease of {LEASE} s, --kill {self._kill}"
        )
        self._house.server.start()
        with self._house.admin() as admin:
            admin.execute(f"create database {DATABASE}")
        installed = install(self._house.dsn())
        with psycopg.connect(self._house.dsn(), autocommit=True) as connection:
            Client(connection).create_queue(app.queue)
            version = connection.info.parameter_status("server_version")
        self._say(f"PostgreSQL {version} started (pid {self._house.server.postmaster_pid}), {installed.code_files} files of SQL installed")

    def _work(self) -> UUID:
        """Start the parent and both workers, and look on until it ends, one disaster included."""
        with psycopg.connect(self._house.dsn(), autocommit=True) as connection:
            spawned = app.start_sync(PARENT, self._packages, conn=connection)
        for name in WORKERS:
            worker = self._house.start_worker(name)
            self._say(f"{name} started (pid {worker.pid})")
        watch = Watch(self._house.dsn(), spawned.id, self._deadline)
        try:
            self._look_on(watch)
        finally:
            watch.close()
        return spawned.id

    def _look_on(self, watch: Watch) -> None:
        steps = 2 + sum(len(files) for files in self._library.values())
        columns = (
            TextColumn("         "),
            TextColumn("steps"),
            BarColumn(40),
            MofNCompleteColumn(),
            TextColumn("[dim]{task.fields[held]}"),
        )
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as progress:
            shown = progress.add_task("steps", total=steps, held="")
            while not (seen := watch.look()).ended:
                progress.update(shown, completed=seen.steps, held=self._held(seen))
                if self._kill != "none" and self._disaster is None:
                    self._disaster = strike(self._kill, self._house, watch, seen, steps)
                    self._say_what_was_killed()
                self._check_workers()
                time.sleep(PERIOD)
        if self._kill != "none" and self._disaster is None:
            raise DemoFailed("the work was over before anything could be killed")
        self._say(f"the parent workflow is {seen.root_state}: {seen.steps} steps, {seen.completed} workflows")

    def _say_what_was_killed(self) -> None:
        if (disaster := self._disaster) is None:
            return
        at = f"when {disaster.share:.0%} of the steps were stored"
        if disaster.worker is not None:
            held = ", ".join(sorted(disaster.held.values()))
            self._say(
                f"[red]SIGKILL {disaster.worker.name}[/] (pid {disaster.worker.pid}) {at}; it held {len(disaster.held)} claims: {held}"
            )
        if disaster.postmaster is not None:
            self._say(f"[red]SIGKILL PostgreSQL[/] (pid {disaster.postmaster}) {at}; started again after {disaster.outage:.1f} s")

    def _held(self, seen: Snapshot) -> str:
        dead = self._disaster.worker if self._disaster else None
        names = {dead.name: f"{dead.name}, dead" for dead in (dead,) if dead}
        return "   ".join(f"{names.get(worker, worker)}: {len(held)} claims" for worker, held in sorted(seen.claims.items()))

    def _check_workers(self) -> None:
        killed = self._disaster.worker if self._disaster else None
        for worker in self._house.workers:
            if worker is not killed and (code := worker.process.poll()) is not None:
                raise DemoFailed(f"{worker.name} ended by itself with exit code {code}")

    def _tell(self) -> int:
        killed = self._disaster.worker if self._disaster else None
        for worker in self._house.workers:
            if worker is not killed and (code := worker.stop()) != 0:
                raise DemoFailed(f"{worker.name} stopped with exit code {code}")
        with psycopg.connect(self._house.dsn(), autocommit=True) as connection:
            show_other_failures(self._console, connection)
            if self._disaster is not None and killed is not None:
                show_recovery(self._console, connection, self._disaster)
        show_plain_sql(self._console, self._house)
        show_audit(self._console, self._house)
        dead = sum(worker.process.returncode == -signal.SIGKILL for worker in self._house.workers)
        with psycopg.connect(self._house.dsn(), autocommit=True) as connection:
            counts = count(connection, executions(self._house.executions), self._library, dead)
        problems = counts.problems()
        for problem in problems:
            self._console.print(f"[red]off:[/] {problem}")
        self._console.print()
        self._say(f"[dim]done; --kill takes {', '.join(KILLS)}[/]")
        sys.stdout.write(counts.line() + "\n")
        return 1 if problems else 0
