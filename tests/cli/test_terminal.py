"""On a terminal there is a table and something that moves; elsewhere there is plain text."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any


def _on_a_terminal(*arguments: str) -> str:
    """What a command writes to a terminal of 80 columns."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    running = subprocess.Popen([sys.executable, "-m", "tollway", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # the last writer has gone
        pass
    os.close(ours)
    assert running.wait(60) in (0, 1)
    return written.decode()


def test_a_table_keeps_ids_whole_and_names_as_they_are(tollway: Any, db: Any) -> None:
    task = db.one("select task_id from absurd.spawn_task('default', '[bold]pay[/bold] with a name that needs much more room', '{}')")

    written = _on_a_terminal("task", "list", "--dsn", db.dsn)

    assert str(task) in written
    assert "[bold]pay[/bold] with a name that needs much more room" in written
    assert "\x1b[1m" in written  # the heading
    assert "\x1b" not in tollway("task", "list").out


def test_a_long_operation_says_what_it_does(tollway: Any, db: Any) -> None:
    assert "deriving every record again" in _on_a_terminal("verify", "--dsn", db.dsn)
    assert tollway("verify").err == ""
