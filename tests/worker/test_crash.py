"""SIGKILL at every boundary of a small workflow: it finishes, results once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tollway.workflow import Tollway
from worker import crashing
from worker.harness import Database, WorkerProcess, eventually_sync

LEASE = "1"


@pytest.mark.parametrize("point", crashing.POINTS)
def test_a_killed_worker_loses_nothing(app: Tollway, look: Database, tmp_path: Path, point: str) -> None:
    reached, bodies = tmp_path / "reached", tmp_path / "bodies"
    environment = {"TOLLWAY_CRASH_AT": point, "TOLLWAY_REACHED": str(reached), "TOLLWAY_BODIES": str(bodies)}
    task = crashing.app.start_sync(crashing.small, conn=look.connection)

    with WorkerProcess(app.dsn, "--lease", LEASE, **environment) as first:
        assert first.wait() == -signal.SIGKILL
    assert reached.read_text() == point
    with WorkerProcess(app.dsn, "--lease", LEASE, **environment) as second:
        eventually_sync(lambda: look.state(task.id) == "completed")
        second.signal(signal.SIGTERM)
        assert second.wait() == 0

    assert look.one("select result from absurd.task where task_id = %s", task.id) == [10, 20, 30]
    assert look.moves(task.id).count("run.completed") == 1
    ran = bodies.read_text().split()
    repeated = {"in step 1": "1", "in step 2": "2"}.get(point)
    assert {step: ran.count(step) for step in "123"} == {step: 1 + (step == repeated) for step in "123"}
    assert look.violations() == []


@pytest.mark.parametrize("point", crashing.RICH_POINTS)
def test_a_kill_costs_no_business_row_and_no_child(app: Tollway, look: Database, tmp_path: Path, point: str) -> None:
    """The row and its record are there once, the child is one, and a wait between two tries is not lost."""
    reached, bodies = tmp_path / "reached", tmp_path / "bodies"
    environment = {
        "TOLLWAY_CRASH_AT": point, "TOLLWAY_REACHED": str(reached), "TOLLWAY_BODIES": str(bodies), "TOLLWAY_BOOKING": app.dsn,
    }  # fmt: skip
    look.connection.execute("create table booking (n integer)")
    task = crashing.app.start_sync(crashing.rich, conn=look.connection)

    with WorkerProcess(app.dsn, "--lease", LEASE, **environment) as first:
        assert first.wait() == -signal.SIGKILL
    assert reached.read_text() == point
    with WorkerProcess(app.dsn, "--lease", LEASE, **environment) as second:
        eventually_sync(lambda: look.state(task.id) == "completed")
        second.signal(signal.SIGTERM)
        assert second.wait() == 0

    assert look.one("select result from absurd.task where task_id = %s", task.id) == ["booked", [10, 20, 30], "worked", 42]
    assert look.one("select count(*) from booking") == 1
    assert look.one("select count(*) from absurd.task where task_name = 'grows'") == 1
    assert look.violations() == []
