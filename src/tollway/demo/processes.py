"""What the demo starts, and ends whatever happens: the embedded server and the workers, each by its own id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tollway.demo.witness import FILE_VARIABLE
from tollway.embedded import EmbeddedPostgres
from tollway.workflow.app import DSN_VARIABLE

LEASE = 3
CONCURRENCY = 4
END_SECONDS = 15
LOG_TAIL = 12
DATABASE = "demo"


@dataclass(frozen=True, slots=True)
class Worker:
    """A `tollway worker`, as a process of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def freeze(self) -> None:
        """Nothing runs in it until it is thawed, or killed."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end, insist after a while; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            self.thaw()
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.wait()

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:])


class House:
    """A folder with an embedded server and the workers on it; leaving ends them all and removes the folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tollway-demo-"))
        self.folder.chmod(0o755)  # the server of a demo run by root runs as another user
        self.server = EmbeddedPostgres(self.folder / "postgres")
        self.executions = self.folder / "executions"
        self.executions.touch()
        self.workers: list[Worker] = []

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.stop()
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database: str = DATABASE) -> str:
        return make_conninfo(self.server.dsn, dbname=database)

    def start_worker(self, name: str) -> Worker:
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-m", "tollway", "worker", "tollway.demo.inventory", "--name", name]
        command += ["--lease", str(LEASE), "--concurrency", str(CONCURRENCY)]
        environment = {**os.environ, DSN_VARIABLE: self.dsn(), FILE_VARIABLE: str(self.executions)}
        with log.open("wb") as output:
            # a session of its own: Ctrl-C in the terminal is the demo's to hear, and the demo ends its workers
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )
        worker = Worker(name, process, log)
        self.workers.append(worker)
        return worker

    @contextlib.contextmanager
    def admin(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """To create databases from."""
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            yield connection
