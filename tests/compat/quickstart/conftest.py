"""`tollway dev`, once for this folder, and the published programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.dev import Dev, a_home
from fixtures.node import workshop
from fixtures.waiting import PATIENCE
from matrix.actors import foreign_sdk

APPLICATION = """
from tollway.workflow import Tollway
app = Tollway(queue="house")

@app.workflow
async def double(ctx, n):
    return await ctx.step("double", lambda: 2 * n)
"""


class Program:
    """A published program that runs until the test is over."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / "program.log"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, env={**os.environ, **environment})

    @property
    def text(self) -> str:
        return self.log.read_text()

    def leave(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that `tollway dev` prints."""
    folder = tmp_path_factory.mktemp("dev")
    (folder / "doubling.py").write_text(APPLICATION)
    with a_home() as home:
        running = Dev(folder, home)
        running.says(r"worker \S+:(\d+) takes tasks")
        (dsn,) = running.says(r"database +(\S+)")
        # as the READMEs have it done with absurdctl; a queue shared with our worker would be one with tasks that it does not know
        subprocess.run([sys.executable, "-m", "tollway", "queue", "create", "default", "--dsn", dsn], check=True)
        yield dsn
        running.leave()


@pytest.fixture(scope="session")
def python_sdk(pytestconfig: pytest.Config) -> Any:
    return foreign_sdk(Path(str(pytestconfig.cache.mkdir("absurd-sdk"))) if pytestconfig.cache else Path(".pytest_cache"))


@pytest.fixture
def run_python(tmp_path: Path, python_sdk: Any) -> Iterator[Callable[[str], Program]]:
    """Run a program as the interactive interpreter would: an `await` may stand outside of functions."""
    runner = (
        "import ast, asyncio, inspect, pathlib\n"
        "code = compile(pathlib.Path('program.py').read_text(), 'program.py', 'exec', flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)\n"
        "ended = eval(code, {'__name__': '__main__'})\n"
        "asyncio.run(ended) if inspect.iscoroutine(ended) else None\n"
    )
    started: list[Program] = []

    def run(source: str) -> Program:
        (tmp_path / "program.py").write_text(source)
        sdk = str(Path(python_sdk.__file__).parents[1])
        started.append(Program([sys.executable, "-c", runner], tmp_path, {"PYTHONPATH": sdk}))
        return started[-1]

    yield run
    for program in started:
        program.leave()


@pytest.fixture
def run_node(tmp_path: Path, node_sdk: Path) -> Iterator[Callable[[str], Program]]:
    started: list[Program] = []

    def run(source: str) -> Program:
        folder = workshop(node_sdk, tmp_path / "node")
        (folder / "program.mjs").write_text(source)
        started.append(Program(["node", "program.mjs"], folder, {}))
        return started[-1]

    yield run
    for program in started:
        program.leave()
