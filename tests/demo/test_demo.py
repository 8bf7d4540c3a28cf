"""The demo keeps its promises, and would say so if it did not."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console

from fixtures.database import Database
from tollway.demo.count import Counts, count
from tollway.demo.library import discover, measure
from tollway.demo.processes import House
from tollway.demo.psql import find_psql, run_sql
from tollway.demo.run import Demo
from tollway.demo.witness import executions

PACKAGES = 5
LAST_LINE = re.compile(
    r"demo: (\d+) workflows, (\d+) steps in (\d+) executions, 1 worker killed, 0 lost, 0 results stored twice, 0 violations"
)


@dataclass(frozen=True)
class Performance:
    """A demo that has ended; its house still stands."""

    code: int
    printed: str
    house: House
    conn: psycopg.Connection[Any]

    def rows(self, query: str) -> list[Any]:
        return self.conn.execute(query).fetchall()

    def count(self, **changed: Any) -> Counts:
        given = {"ran": executions(self.house.executions), "library": discover(PACKAGES), "workers_killed": 1, **changed}
        return count(self.conn, **given)


@pytest.fixture(scope="module")
def performance() -> Iterator[Performance]:
    printed = io.StringIO()
    with House() as house:
        with redirect_stdout(printed):
            code = Demo(Console(file=printed, width=110), house, kill="worker", packages=PACKAGES, timeout=60).run()
        with psycopg.connect(house.dsn(), autocommit=True) as conn:
            yield Performance(code, printed.getvalue(), house, conn)


def test_the_last_line_says_what_should_have_come_out(performance: Performance) -> None:
    last = LAST_LINE.fullmatch(performance.printed.splitlines()[-1])

    assert performance.code == 0
    assert last is not None
    workflows, steps, ran = map(int, last.groups())
    assert workflows == 1 + PACKAGES
    assert steps == 2 + sum(len(files) for files in discover(PACKAGES).values())
    assert ran >= steps


def test_the_database_agrees_with_the_last_line(performance: Performance) -> None:
    assert performance.rows("select state, count(*) from absurd.task where queue_name = 'library' group by 1") == [
        ("completed", 1 + PACKAGES)
    ]
    assert performance.rows("select * from absurd.verify()") == []


def test_the_killed_workers_tasks_were_taken_over_by_the_other(performance: Performance) -> None:
    dead = next(worker for worker in performance.house.workers if worker.process.returncode == -signal.SIGKILL)
    recovered = performance.rows(
        "select task_id, worker from absurd.absurd_event_log where event = 'run.retried' and via like '%claim_task > fail_run'"
    )

    taken_over = performance.rows("select task_id, worker from absurd.absurd_event_log where event = 'run.completed'")

    assert recovered
    assert {worker for _, worker in recovered} == {dead.name}
    assert {worker for task_id, worker in taken_over if task_id in {task for task, _ in recovered}} == {"worker-1", "worker-2"} - {
        dead.name
    }


def test_what_is_stored_is_what_is_on_disk(performance: Performance) -> None:
    stored = dict(performance.rows("select checkpoint_name, state from absurd.checkpoint where checkpoint_name like 'asyncio/%'"))

    assert stored == {path: measure(path) for path in discover()["asyncio"]}


def test_a_file_that_was_not_measured_counts_as_lost(performance: Performance) -> None:
    library = discover(PACKAGES)
    next(iter(library.values())).append("encodings/klingon.py")

    counts = performance.count(library=library)

    assert counts.lost == 1
    assert counts.problems()


def test_a_package_that_no_workflow_measured_counts_as_lost_with_its_files(performance: Performance) -> None:
    counts = performance.count(library={**discover(PACKAGES), "klingon": ["klingon/__init__.py", "klingon/verbs.py"]})

    assert counts.lost == 3


def test_a_stored_result_that_no_execution_computed_is_counted(performance: Performance) -> None:
    ran = executions(performance.house.executions)
    forgotten = next(execution for execution in ran if execution.digest is not None)

    counts = performance.count(ran=[execution for execution in ran if execution.step != forgotten.step])

    assert counts.stored_twice >= 1
    assert counts.problems()


@pytest.mark.parametrize("find", [lambda: None, lambda: find_psql(18)], ids=["a bare connection", "psql"])
def test_plain_sql_is_run_and_printed_with_and_without_psql(db: Database, find: Callable[[], Path | None]) -> None:
    printed = run_sql(
        find(), db.dsn, "select absurd.create_queue('q')", "select queue_name, 7 as lucky, null as nothing from absurd.queues"
    )

    row = printed.splitlines()[-1]
    assert db.one("select queue_name from absurd.queues") == "q"
    assert [cell.strip() for cell in row.split("|")] == ["q", "7", "-"]
    assert "lucky" in printed


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Below /tmp itself, as a socket's path has a limit; the server of a test run by root must be able to pass it."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def runs(pid: int) -> bool:
    """A zombie, which only init can take away, has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_an_interrupted_demo_ends_what_it_started(short_folder: Path) -> None:
    """Ctrl-C once the second worker runs: exit code 130, no process and no file left."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(short_folder)}
    demo = subprocess.Popen([sys.executable, "-m", "tollway.demo"], stdout=subprocess.PIPE, text=True, env=environment)
    assert demo.stdout is not None
    pids: list[int] = []
    for line in demo.stdout:
        pids += map(int, re.findall(r"\(pid (\d+)\)", line))
        if "worker-2 started" in line:
            break

    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)

    assert demo.returncode == 130
    assert len(pids) == 3
    assert [pid for pid in pids if runs(pid)] == []
    assert list(short_folder.iterdir()) == []
