"""The first words of the command line: what they print, and their exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tollway.cli import output
from tollway.cli.app import main

APPLICATION = """
from tollway.workflow import Tollway
app = Tollway()

@app.workflow
async def double(ctx, n):
    return await ctx.step("double", lambda: 2 * n)
"""


@pytest.fixture
def queue(db: Any) -> str:
    db.rows("select absurd.create_queue('default')")
    return str(db.dsn)


def tollway(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_a_task_is_started_worked_off_and_shown(
    queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "doubling.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert tollway("start", "double", "21", "--dsn", queue, "--json") == 0
    task_id = json.loads(capsys.readouterr().out)["task_id"]
    assert tollway("worker", "doubling:app", "--once", "--dsn", queue) == 0
    assert tollway("task", "show", task_id, "--dsn", queue) == 0

    shown = capsys.readouterr().out
    assert "completed, attempt 1 of 5" in shown
    assert "via worker_sync > claim_task" in shown
    assert "result  42" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("task", "show", "not-an-id"), 2, "is not a task id"),
        (("task", "show", "00000000-0000-7000-8000-000000000000"), 1, "no task has the id"),
        (("start", "double", "{bad"), 2, "not JSON"),
        (("start", "double", "--queue", "nowhere"), 1, "nowhere"),
        (("worker", "no_such_module"), 2, "no module is named"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_code(
    queue: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, says: str
) -> None:
    assert tollway(*arguments, "--dsn", queue) == code

    complaint = capsys.readouterr().err
    assert says in complaint
    assert "Traceback" not in complaint


def test_an_unreachable_database_has_its_own_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(output, "CONNECT_ATTEMPTS", 1)

    assert tollway("verify", "--dsn", "host=/nowhere") == 3
    assert "cannot be reached" in capsys.readouterr().err
