"""SIGKILL at every boundary of a small workflow: it finishes, results once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from uuid import UUID

import pytest

from tollway.worker import Worker, WorkerOptions
from tollway.workflow import Tollway
from worker import crashing
from worker.harness import Database, WorkerProcess, eventually, run

LEASE = "1"


@pytest.fixture
def environment(tmp_path: Path, app: Tollway, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Of both workers; the second one, in this process, is told of no point to die at."""
    shared = {"TOLLWAY_REACHED": str(tmp_path / "reached"), "TOLLWAY_BODIES": str(tmp_path / "bodies"), "TOLLWAY_BOOKING": app.dsn}
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TOLLWAY_CRASH_AT", raising=False)
    monkeypatch.setattr("tollway.workflow.policy.LONGEST_HELD_WAIT", crashing.HELD)
    return shared


async def finished_by_another(look: Database, task_id: UUID) -> None:
    """What the killed one held is taken up when its lease is over."""
    worker = Worker(crashing.app.registry, look.dsn, WorkerOptions(lease=int(LEASE), grace=0.0))
    working = asyncio.create_task(worker.run())
    await eventually(look.states_become(task_id, "completed"))
    worker.drain()
    await working


@pytest.mark.parametrize("point", crashing.POINTS)
def test_a_killed_worker_loses_nothing(app: Tollway, look: Database, tmp_path: Path, environment: dict[str, str], point: str) -> None:
    task = crashing.app.start_sync(crashing.small, conn=look.connection)

    with WorkerProcess(app.dsn, "--lease", LEASE, TOLLWAY_CRASH_AT=point, **environment) as first:
        assert first.wait() == -signal.SIGKILL
    assert (tmp_path / "reached").read_text() == point
    run(finished_by_another(look, task.id))

    assert look.one("select result from absurd.task where task_id = %s", task.id) == [10, 20, 30]
    assert look.moves(task.id).count("run.completed") == 1
    ran = (tmp_path / "bodies").read_text().split()
    repeated = {"in step 1": "1", "in step 2": "2"}.get(point)
    assert {step: ran.count(step) for step in "123"} == {step: 1 + (step == repeated) for step in "123"}
    assert look.violations() == []


@pytest.mark.parametrize("point", crashing.RICH_POINTS)
def test_a_kill_costs_no_business_row_and_no_child(
    app: Tollway, look: Database, tmp_path: Path, environment: dict[str, str], point: str
) -> None:
    """The row and its record are there once, the child is one, and a wait between two tries is not lost."""
    look.connection.execute("create table booking (n integer)")
    task = crashing.app.start_sync(crashing.rich, conn=look.connection)

    with WorkerProcess(app.dsn, "--lease", LEASE, TOLLWAY_CRASH_AT=point, **environment) as first:
        assert first.wait() == -signal.SIGKILL
    assert (tmp_path / "reached").read_text() == point
    run(finished_by_another(look, task.id))

    assert look.one("select result from absurd.task where task_id = %s", task.id) == ["booked", [10, 20, 30], "worked", 42]
    assert look.one("select count(*) from booking") == 1
    assert look.one("select count(*) from absurd.task where task_name = 'grows'") == 1
    assert look.violations() == []
