"""`python -m tollway.demo`: start everything, break it, and count what is left."""

from __future__ import annotations

import argparse
import platform
import signal
import sys
import time
from collections.abc import Mapping

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tollway.client import Client
from tollway.demo.count import count
from tollway.demo.disaster import DemoFailed, Disaster, strike
from tollway.demo.inventory import PARENT, app
from tollway.demo.library import discover
from tollway.demo.processes import DATABASE, LEASE, House
from tollway.demo.report import show_report
from tollway.demo.story import show_audit, show_plain_sql, show_recovery
from tollway.demo.watch import PERIOD, Snapshot, Watch
from tollway.demo.witness import executions
from tollway.errors import TollwayError
from tollway.schema import install
from tollway.workflow import SyncHandle, Tollway

KILLS = ("none", "worker", "postgres", "both")
WORKERS = ("worker-1", "worker-2")
PIPED_WIDTH = 110
Library = Mapping[str, list[str]]


class Demo:
    """One run of the demonstration."""

    def __init__(self, console: Console, house: House, arguments: argparse.Namespace) -> None:
        self._console = console
        self._house = house
        self._kill: str = arguments.kill
        self._packages: int | None = arguments.packages
        self._began = time.monotonic()
        self._deadline = self._began + arguments.timeout
        self._library: Library = discover(self._packages)
        self._disaster: Disaster | None = None

    def run(self) -> int:
        """The exit code: 0 when every number is as promised."""
        self._prepare()
        handle = self._work()
        show_report(self._console, handle.result(0), f"The standard library of Python {platform.python_version()}, measured durably")
        return self._tell()

    def _say(self, text: str) -> None:
        self._console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/]  {text}", highlight=False)

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

    def _work(self) -> SyncHandle:
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
        return Tollway(self._house.dsn(), app.queue).handle_sync(spawned.id)

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
                progress.update(shown, completed=seen.steps, held=_held(seen))
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
        if self._disaster is not None and killed is not None:
            with psycopg.connect(self._house.dsn(), autocommit=True) as connection:
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


def _held(seen: Snapshot) -> str:
    return "   ".join(f"{worker}: {len(held)}" for worker, held in sorted(seen.claims.items()))


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tollway.demo", description=__doc__)
    parser.add_argument("--kill", choices=KILLS, default="worker", help="what gets SIGKILL in the middle; default worker")
    parser.add_argument("--packages", type=_at_least_one, metavar="N", help="only the N packages of most files")
    parser.add_argument("--timeout", type=float, default=180.0, metavar="SECONDS", help="give up after; default 180")
    return parser.parse_args(arguments)


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    with House() as house:
        try:
            return Demo(console, house, arguments).run()
        except (DemoFailed, TimeoutError, TollwayError, psycopg.Error) as error:
            console.print(f"[red]the demo failed:[/] {error}")
            for worker in house.workers:
                console.print(f"{worker.name} said last:\n{worker.last_words()}", style="dim", markup=False)
            return 1
        except KeyboardInterrupt:
            console.print("interrupted: ending the workers and the server")
            return 130


if __name__ == "__main__":
    sys.exit(main())
