"""A worker process that is started again when a source file changes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from tollway.cli.output import note

PERIOD = 0.4
SETTLING = 0.1
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"})
GRACE = 5.0
"""How long handlers may go on when a file changes; then their tasks are released, and the new code takes them."""
PATIENT = 10.0
"""How long the worker may take to end, grace included; then it is killed, and its leases run out."""


def stamps(folders: list[Path]) -> dict[str, int]:
    """Each .py file below the folders with the time of its last change, hidden folders and environments left out."""
    found: dict[str, int] = {}
    for folder in folders:
        for where, inside, files in os.walk(folder):
            inside[:] = [name for name in inside if name not in SKIPPED and not name.startswith(".")]
            for name in files:
                if name.endswith(".py"):
                    path = f"{where}/{name}"
                    try:
                        found[path] = Path(path).stat().st_mtime_ns
                    except OSError:
                        continue  # removed since it was listed, as editors do while they save
    return found


def _settled(folders: list[Path], now: dict[str, int]) -> dict[str, int]:
    """The stamps once nothing changes any more: an editor empties a file before it writes it, and saves several."""
    while True:
        time.sleep(SETTLING)
        again = stamps(folders)
        if again == now:
            return again
        now = again


class ReloadingWorker:
    """Runs `tollway worker` in a process of its own; leaving the block ends it."""

    def __init__(self, target: str, dsn: str, folders: list[Path], concurrency: int) -> None:
        self._arguments = ["worker", target, "--concurrency", str(concurrency), "--grace", str(GRACE)]
        self._environment = {**os.environ, "TOLLWAY_DATABASE_URL": dsn}
        self._dsn = dsn
        self._folders = folders
        self._process: subprocess.Popen[bytes] | None = None
        self._stamps = stamps(folders)

    def __enter__(self) -> ReloadingWorker:
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def run(self, told_to_end: threading.Event) -> None:
        """Watch until told to end."""
        while not told_to_end.wait(PERIOD):
            self.look()

    def look(self) -> bool:
        """Start the worker again if it was killed, or a file has changed; True if so."""
        if self._process is not None and (code := self._process.poll()) is not None:
            self._process = None
            if code < 0:
                # killed, not broken: what runs under production's supervisor comes back, too
                note(f"the worker was killed by signal {-code}: starting it again")
                self._start()
                return True
            note(f"the worker ended with code {code}; it starts again when a file changes")
        now = stamps(self._folders)
        changed = sorted(path for path in now.keys() | self._stamps.keys() if now.get(path) != self._stamps.get(path))
        if not changed:
            return False
        self._stamps = _settled(self._folders, now)
        note(f"{changed[0]}{f' and {len(changed) - 1} more' if len(changed) > 1 else ''} changed: restarting the worker")
        self._stop()
        self._start()
        return True

    @property
    def pid(self) -> int | None:
        """The worker's process id, while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def _start(self) -> None:
        # A session of its own: Ctrl-C reaches this process alone, which then ends the worker in order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tollway", *self._arguments, "--dsn", self._dsn], env=self._environment, start_new_session=True
        )

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
