"""Starting from the command line, and watching to the end."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def works(tollway: Any, db: Any, application: Path) -> Iterator[None]:
    """A worker in a process of its own."""
    command = [sys.executable, "-m", "tollway", "worker", "doubling:app", "--dsn", db.dsn, "--grace", "0"]
    worker = subprocess.Popen(command, cwd=application, stderr=subprocess.DEVNULL)
    guard = threading.Timer(120, worker.kill)
    guard.start()
    yield
    worker.terminate()
    worker.wait(30)
    guard.cancel()


@pytest.mark.usefixtures("works")
def test_follow_shows_moves_and_steps_and_then_the_result(tollway: Any) -> None:
    plain = tollway("start", "double", "21", "--follow", "--timeout", "60")
    assert plain.code == 0
    assert [plain.out.count(what) for what in ("task.spawned", "run.claimed", "run.completed")] == [1, 1, 1]
    assert plain.out.index("run.claimed") < plain.out.index("  double ") < plain.out.index("run.completed")
    assert plain.out.endswith("\n42\n")

    documents = tollway("start", "double", "4", "--follow", "--timeout", "60", "--json").documents
    assert [next(iter(document)) for document in documents] == ["task_id", "move", "move", "step", "move", "task_id"]
    assert documents[-1]["result"] == 8


@pytest.mark.usefixtures("works")
def test_a_failure_is_code_1_and_says_what_to_type(tollway: Any, application: Path) -> None:
    ended = tollway("start", "fall", "--wait", "--timeout", "60", "--app", "doubling:app")

    assert (ended.code, ended.out) == (1, "")
    assert "is failed" in ended.err
    assert "it fell" in ended.err
    assert "hint: tollway explain" in ended.err


@pytest.mark.usefixtures("works")
def test_the_app_names_several_arguments(tollway: Any) -> None:
    assert tollway("start", "add", "1", "2", "--app", "doubling:app", "--wait", "--timeout", "60").out == "3\n"
    assert tollway("start", "add", '{"a": 3, "b": 4}', "--wait", "--timeout", "60").out == "7\n"


def test_a_time_out_is_code_1_and_the_task_goes_on(tollway: Any) -> None:
    ended = tollway("start", "double", "1", "--wait", "--timeout", "0")

    assert ended.code == 1
    assert "has not ended yet: it is pending" in ended.err


def test_options_reach_the_task(tollway: Any, db: Any) -> None:
    options = ("--key", "k", "--delay", "60", "--priority", "-5", "--max-attempts", "9")
    first = tollway("start", "double", "1", *options, "--json").documents[0]
    again = tollway("start", "double", "1", *options, "--json")

    assert again.documents[0] == {**first, "created": False}
    assert "key 'k' is known" in again.err
    row = db.one("select state, priority, max_attempts, idempotency_key from absurd.task where task_id = %s", first["task_id"])
    assert row == ("sleeping", -5, 9, "k")


def test_a_name_near_a_recent_one_is_questioned_and_started(tollway: Any) -> None:
    tollway("start", "double", "1")

    ended = tollway("start", "duoble", "1")

    assert ended.code == 0
    assert "did you mean 'double'?" in ended.err
    assert tollway("start", "entirely_else", "1").err == ""


def test_arguments_come_from_standard_input(tollway: Any, db: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    piped = tmp_path / "piped"
    piped.write_text('{"order": 7}')
    with piped.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert tollway("start", "double", "-").code == 0

    assert db.one("select params from absurd.task") == {"order": 7}


@pytest.mark.usefixtures("works")
def test_a_task_is_waited_for_by_its_id(tollway: Any) -> None:
    task = tollway("start", "double", "21").out.strip()
    fallen = tollway("start", "fall", "{}", "--max-attempts", "1").out.strip()

    waited = tollway("task", "wait", task, "--timeout", "60")
    failed = tollway("task", "wait", fallen, "--timeout", "60", "--json")

    assert (waited.code, waited.out) == (0, "42\n")
    assert (failed.code, failed.documents[-1]["state"]) == (1, "failed")
    assert "it fell" in failed.err
    assert "run.completed" in tollway("task", "wait", task, "--follow").out


def test_waiting_for_a_task_ends_with_its_time(tollway: Any) -> None:
    task = tollway("start", "double", "21").out.strip()

    ended = tollway("task", "wait", task, "--timeout", "0")

    assert ended.code == 1
    assert "has not ended yet: it is pending" in ended.err
