"""The tutorial is typed in as it stands: two terminals, a real SIGKILL, and its output is compared."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

from docs.pages import DOCS, ROOT, Block, blocks_of

PAGE = DOCS / "tutorial" / "first-hour.md"
PATIENCE = 90.0
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")


def plain(line: str) -> str:
    """Without what differs from run to run: ids, numbers, folders, spacing."""
    line = UUID.sub("ID", line)
    line = re.sub(r"host=\S+", "host=FOLDER", line)
    return " ".join(re.sub(r"\d+", "0", line).split())


class Terminals:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "terminal1.log"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, "TOLLWAY_HOME": str(folder / "home"), "NO_COLOR": "1", "PATH": path, "COLUMNS": "200"}
        self.env.pop("TOLLWAY_DATABASE_URL", None)
        self.background: subprocess.Popen[bytes] | None = None
        self.variables = ""

    def keep_running(self, block: Block) -> None:
        (command,) = commands(block)
        self.open(command.split())
        compare(block, self.log.read_text())

    def open(self, command: list[str]) -> None:
        with self.log.open("wb") as log:
            self.background = subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=log, stderr=subprocess.STDOUT)
        self.wait_for(" takes tasks of queue ")

    def type_in(self, block: Block) -> None:
        printed = ""
        for command in commands(block):
            name = re.match(r"(\w+)=", command)
            show = f"\necho {name[1]}=${name[1]}" if name else ""
            script = f"set -eu\n{self.variables}{self.with_real_pid(command)}{show}"
            done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=PATIENCE)
            assert done.returncode == 0, f"{block.place}: {command}\n{done.stdout}{done.stderr}"
            printed += done.stdout
            if name:
                self.variables += done.stdout
        compare(block, printed)

    def with_real_pid(self, command: str) -> str:
        if not command.startswith("kill "):
            return command
        found = re.findall(r"INFO worker \S+?:(\d+) takes", self.log.read_text())
        return re.sub(r"\d+$", found[-1], command)

    def wait_for(self, text: str) -> None:
        ends = time.monotonic() + PATIENCE
        while text not in self.log.read_text():
            assert time.monotonic() < ends, f"terminal 1 never said {text!r}:\n{self.log.read_text()}"
            time.sleep(0.05)

    def close(self) -> None:
        if self.background is not None:
            self.background.send_signal(signal.SIGINT)
            self.background.wait(PATIENCE)


def commands(block: Block) -> list[str]:
    return [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]


def compare(block: Block, printed: str) -> None:
    seen = plain(printed)
    for line in block.text.splitlines():
        if line.strip() and not line.startswith("$ "):
            assert plain(line) in seen, f"{block.place} promises {line!r}, but this was printed:\n{printed}"


@pytest.fixture
def terminals() -> Iterator[Terminals]:
    folder = Path(mkdtemp(prefix="tollway-tutorial-"))  # short: a socket's path may not be longer than 107 bytes
    folder.chmod(0o755)
    opened = Terminals(folder)
    yield opened
    opened.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_first_hour_goes_as_it_is_told(terminals: Terminals) -> None:
    shutil.copy(ROOT / "examples" / "first_hour" / "shop.py", terminals.folder)
    blocks = [block for block in blocks_of(PAGE) if block.language == "console"]
    assert len(blocks) == 6

    for block in blocks:
        if "wait" in block.marks:
            terminals.wait_for(block.marks["wait"])
        if block.marks["terminal"] == "1":
            terminals.keep_running(block)
        else:
            terminals.type_in(block)
    log = terminals.log.read_text()
    assert log.count("charging order 7") == 1
    assert log.count("packing tea") == 2
    assert log.count("packing salt") == 1
    assert claims_of_the_killed_child(log) == [(1, 1), (2, 2)]


def claims_of_the_killed_child(log: str) -> list[tuple[int, int]]:
    """(attempt, epoch) of each claim of the tea: the page says that the second one is higher."""
    dsn = re.search(r"^database +(\S+)", log, re.MULTILINE)
    assert dsn
    with psycopg.connect(dsn[1]) as connection:
        query = """
            select l.attempt, l.claim_epoch from absurd.absurd_event_log l join absurd.task t using (task_id)
            where t.task_name = 'pack_item' and t.params::text like '%tea%' and l.event = 'run.claimed' order by l.seq"""
        return connection.execute(query).fetchall()
