"""The way of a task on the command line: started, worked off, listed, shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tollway import __version__


def test_a_task_is_started_worked_off_listed_and_shown(tollway: Any, application: Path) -> None:
    task_id = tollway("start", "double", "21", "--json").documents[0]["task_id"]
    assert tollway("worker", "doubling:app", "--once").code == 0

    shown = tollway("task", "show", task_id)
    (listed,) = tollway("task", "list", "--state", "completed", "--json").documents

    assert shown.code == 0
    assert "completed, attempt 1 of 5" in shown.out
    assert "via worker_sync > claim_task" in shown.out
    assert "result  42" in shown.out
    assert (listed["task_id"], listed["name"]) == (task_id, "double")


def test_the_version_is_printed(bare: Any) -> None:
    assert bare("--version").out == f"tollway {__version__}\n"
