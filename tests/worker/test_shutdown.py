"""A worker that is told to stop drains, and what it cannot finish is taken by others at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tollway.workflow import SyncContext, Tollway
from worker import crashing
from worker.harness import Database, WorkerProcess, eventually, eventually_sync, run, working


def started(tmp_path: Path) -> dict[str, str]:
    return {"TOLLWAY_REACHED": str(tmp_path / "started")}


def test_sigterm_lets_handlers_finish(app: Tollway, look: Database, tmp_path: Path) -> None:
    task = crashing.app.start_sync(crashing.until_told, str(tmp_path / "go"), conn=look.connection)

    with WorkerProcess(app.dsn, **started(tmp_path)) as worker:
        eventually_sync((tmp_path / "started").exists)
        worker.signal(signal.SIGTERM)
        later = crashing.app.start_sync(crashing.quick, 1, conn=look.connection)
        (tmp_path / "go").touch()
        assert worker.wait() == 0

    assert look.state(task.id) == "completed"
    assert look.state(later.id) == "pending"
    assert look.violations() == []


@pytest.mark.parametrize(
    "workflow", [crashing.stays, crashing.stays_in_a_thread, crashing.stays_whatever_it_is_told], ids=["async", "thread", "stubborn"]
)
def test_what_outlasts_the_grace_period_is_released(app: Tollway, look: Database, tmp_path: Path, workflow: Any) -> None:
    task = crashing.app.start_sync(workflow, conn=look.connection)

    with WorkerProcess(app.dsn, "--grace", "0.1", "--lease", "600", **started(tmp_path)) as worker:
        eventually_sync((tmp_path / "started").exists)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert look.state(task.id) == "pending"
    assert look.moves(task.id)[-1] == "run.released"
    assert look.one("select attempt from absurd.task where task_id = %s", task.id) == 1
    assert look.violations() == []


def test_a_second_signal_does_not_wait_for_handlers(app: Tollway, look: Database, tmp_path: Path) -> None:
    task = crashing.app.start_sync(crashing.stays, conn=look.connection)

    with WorkerProcess(app.dsn, "--grace", "600", **started(tmp_path)) as worker:
        eventually_sync((tmp_path / "started").exists)
        worker.signal(signal.SIGTERM)
        worker.says("draining")
        later = crashing.app.start_sync(crashing.quick, 1, conn=look.connection)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert look.state(task.id) == "pending"
    assert look.state(later.id) == "pending"


def test_a_thread_whose_step_is_not_answered_does_not_outlast_its_worker(app: Tollway, look: Database) -> None:
    over = threading.Event()

    @app.workflow
    def waits(ctx: SyncContext) -> None:
        try:
            ctx.step("locked", lock)
        finally:
            over.set()

    def lock() -> None:
        # the step's record finds the row locked, and is handed over again and again
        look.connection.execute("begin")
        look.rows("select from absurd.task for update")

    async def scenario() -> None:
        await app.start(waits)
        async with working(app) as worker:
            await eventually(lambda: asyncio.to_thread(lambda: bool(worker._commit._retries)))
        look.connection.rollback()

    run(scenario())

    assert over.wait(20)
    assert look.rows("select checkpoint_name from absurd.checkpoint") == []


def test_claims_that_never_began_are_released(app: Tollway, look: Database, tmp_path: Path) -> None:
    tasks = [crashing.app.start_sync(crashing.stays, conn=look.connection) for _ in range(4)]

    with WorkerProcess(app.dsn, "--concurrency", "2", "--grace", "0", "--lease", "600", **started(tmp_path)) as worker:
        eventually_sync(lambda: [look.state(task.id) for task in tasks].count("running") == 3)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert [look.state(task.id) for task in tasks] == ["pending"] * 4
    assert look.violations() == []
