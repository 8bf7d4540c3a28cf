"""The command line, run in this process: its exit code, what it printed, what it said beside."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tollway.cli.entry import main

APPLICATION = """
from tollway.workflow import Tollway
app = Tollway()

@app.workflow
async def double(ctx, n):
    return await ctx.step("double", lambda: 2 * n)

@app.workflow
async def add(ctx, a, b):
    return a + b

@app.workflow(max_attempts=1)
async def fall(ctx):
    raise RuntimeError("it fell")
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        """Standard output as JSON, a document a line: nothing else may be there."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ended]


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command without a database."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def tollway(db: Any, bare: Run) -> Run:
    """Run a command on the test's database, which has queue default."""
    db.rows("select absurd.create_queue('default')")
    return lambda *arguments: bare(*arguments, "--dsn", db.dsn)


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an application, `doubling:app`, as the current one."""
    (tmp_path / "doubling.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "doubling", raising=False)
    return tmp_path
