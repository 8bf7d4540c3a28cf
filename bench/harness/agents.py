"""The driver's end of an agent: one process of a measured system."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any

from harness.system import System
from harness.venvs import python_of

AGENT = Path(__file__).parent.parent / "agent.py"
ANSWER_WITHIN = 900.0
STOP_WITHIN = 10.0


class AgentFailed(Exception):
    """A measured system raised, or died; the message has its own words."""


class Agent:
    """One process; a call is answered before the next is made, except `work`, which has no answer."""

    def __init__(self, system: type[System], dsn: str, folder: Path, worker: int = 0) -> None:
        self._log = folder / f"{system.name}-{worker}.log"
        environment = {**os.environ, "PYTHONPATH": str(AGENT.parent), "PYTHONUNBUFFERED": "1"}
        command = [str(python_of(system)), str(AGENT), system.name, dsn, str(folder / "marks"), str(worker)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        self.pid = self._process.pid
        self._answer()

    def call(self, function: str, **args: Any) -> Any:
        """Call a method of the system there; what it returned."""
        self._tell(function, args)
        return self._answer()

    def work(self, concurrency: int, poll: float | None) -> None:
        """From now on it is a worker."""
        self._tell("work", {"concurrency": concurrency, "poll": poll})

    def check(self) -> None:
        """Raises: AgentFailed, when the process has ended, or a worker has said that it failed."""
        assert self._process.stdout is not None
        if self._process.poll() is not None or select.select([self._process.stdout], [], [], 0)[0]:
            self._answer()
            raise AgentFailed(f"a worker ended by itself; its log:\n{self._tail()}")

    def stop(self) -> None:
        """End it: politely, then not."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()  # what it reads when its work has ended
            self._process.terminate()
            try:
                self._process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _tell(self, function: str, args: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"call": function, "args": args}) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], ANSWER_WITHIN)[0]:
            raise AgentFailed(f"no answer in {ANSWER_WITHIN:g} s; its log:\n{self._tail()}")
        line = self._process.stdout.readline()
        if not line:
            raise AgentFailed(f"it ended; its log:\n{self._tail()}")
        said = json.loads(line)
        if "error" in said:
            raise AgentFailed(said["error"])
        return said["value"]

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]
