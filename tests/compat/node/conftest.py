"""The driver of the TypeScript SDK, on the test's database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.database import Database
from fixtures.node import NodeProgram


class Driver:
    """Calls the SDK's methods in the program: `driver.spawn("steps", {...})`. They are those of the client of one queue."""

    def __init__(self, program: NodeProgram, queue: str = "default") -> None:
        self.program = program
        self.queue = queue

    def on(self, queue: str) -> Driver:
        return Driver(self.program, queue)

    def __getattr__(self, call: str) -> Any:
        return lambda *args: self.program.ask(queue=self.queue, call=call, args=args)

    def result(self, task: dict[str, Any]) -> Any:
        return self.awaitTaskResult(task["taskID"], {"timeout": 30})


@pytest.fixture
def driver(db: Database, node_folder: Path) -> Iterator[Driver]:
    program = NodeProgram(node_folder, "driver.mjs", db.dsn)
    driver = Driver(program)
    driver.createQueue("default")
    yield driver
    if program.process.poll() is None:
        assert program.end() == 0, program.log.read_text()
