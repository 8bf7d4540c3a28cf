"""`tollway dev`: everything comes up, reloads, and goes down again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.dev import Dev, a_home
from fixtures.waiting import until
from tollway.cli.dev import _told_to_end
from tollway.cli.reload import ReloadingWorker, stamps


@pytest.fixture
def home() -> Iterator[Path]:
    with a_home() as folder:
        yield folder


@pytest.fixture
def dev(application: Path, home: Path) -> Iterator[Callable[..., Dev]]:
    started: list[Dev] = []

    def start(*arguments: str) -> Dev:
        started.append(Dev(application, home, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.leave()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_everything_comes_up_reloads_and_ends_with_ctrl_c(dev: Any, bare: Any, application: Path, home: Path) -> None:
    running = dev()
    (first,) = running.says(r"worker \S+:(\d+) takes tasks")
    (dsn,) = running.says(r"database +(\S+)")
    assert "tollway start add" in running.log.read_text()
    assert bare("start", "double", "21", "--wait", "--timeout", "60", "--dsn", dsn).out == "42\n"

    source = application / "doubling.py"
    source.write_text(source.read_text().replace("2 * n", "3 * n"))
    _, second = running.says(r"worker \S+:(\d+) takes tasks", 2)
    assert bare("start", "double", "21", "--wait", "--timeout", "60", "--dsn", dsn).out == "63\n"
    assert not _is_alive(int(first))

    assert running.end(signal.SIGINT) == 0
    assert running.log.read_text().endswith("stopped\n"), running.log.read_text()
    assert not _is_alive(int(second))
    log = (home / "postgres-18.log").read_text()
    assert "PostgreSQL goes on" not in running.log.read_text(), log
    assert not (home / "postgres-18" / "postmaster.pid").exists(), log


def test_a_file_that_does_not_import_is_reported_and_mended(dev: Any, db: Any, application: Path) -> None:
    running = dev("--dsn", db.dsn)
    running.says("takes tasks")
    source = application / "doubling.py"
    good = source.read_text()

    source.write_text("def :")
    running.says("module 'doubling' does not import: SyntaxError")
    running.says("the worker ended with code 2; it starts again when a file changes")
    source.write_text(good + "\n")
    running.says("takes tasks", 2)

    assert running.end(signal.SIGTERM) == 0


def test_a_killed_worker_comes_back(dev: Any, db: Any, application: Path) -> None:
    running = dev("--dsn", db.dsn)
    (first,) = running.says(r"worker \S+:(\d+) takes tasks")
    os.kill(int(first), signal.SIGKILL)
    running.says("the worker was killed by signal 9: starting it again")
    running.says("takes tasks", 2)

    assert running.end(signal.SIGTERM) == 0


def test_closing_the_terminal_ends_the_worker(dev: Any, db: Any, application: Path) -> None:
    """It went on for ever, with the old code, beside that of the next `tollway dev`."""
    running = dev("--dsn", db.dsn)
    (worker,) = running.says(r"worker \S+:(\d+) takes tasks")

    assert running.end(signal.SIGHUP) == 0
    assert not _is_alive(int(worker))


def test_nohup_keeps_it_running() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with _told_to_end():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_leaving_ends_the_worker_even_when_it_hangs(db: Any, application: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not listen to SIGTERM is killed."""
    db.rows("select absurd.create_queue('default')")
    monkeypatch.setattr("tollway.cli.reload.PATIENT", 0.2)
    (application / "doubling.py").write_text(
        "import signal, time\nfrom pathlib import Path\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "Path('started').touch()\nwhile True: time.sleep(60)\n"
    )
    with ReloadingWorker("doubling:app", db.dsn, [application], 1) as worker:
        until((application / "started").exists, "the module is imported")
        pid = worker.pid

    assert pid is not None
    assert not _is_alive(pid)


def test_what_is_watched_and_what_is_not(tmp_path: Path) -> None:
    for name in ("app.py", "inner/deep.py", ".venv/lib.py", "__pycache__/app.py", "venv/lib.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert sorted(stamps([tmp_path])) == [str(tmp_path / "app.py"), str(tmp_path / "inner/deep.py")]
