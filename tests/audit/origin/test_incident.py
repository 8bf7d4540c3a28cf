"""The origin really runs: the incident happens at the first stage, half of it at the second, nothing at the third."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from fixtures.database import Database

HERE = Path(__file__).parent
FILES = sorted((HERE / "sql").glob("*.sql"))


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"origin_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Origin:
    """One queue, one orchestrator and one thin client on the origin's schema at the given stage."""

    def __init__(self, db: Database, stage: int) -> None:
        for file in FILES[:stage]:
            db.conn.execute(file.read_text())
        db.conn.execute("select engine.create_queue('jobs')")
        self.db = db
        self.orchestrator = load("orchestrator").Orchestrator(db.conn, "jobs")
        self.client = load("client").Client(db.conn, "jobs")

    def running(self) -> tuple[str, str]:
        task = self.orchestrator.start("pay", {})
        return task, self.client.claim()[0]

    def records(self, task: str, state: str) -> tuple[str, int, int]:
        """What the outside sees of one task: workflow_run's status, and how often log and telemetry know the state."""
        return (
            self.db.one("select status from app.workflow_run where task_id = %s", task),
            self.db.one("select count(*) from app.event_log where task_id = %s and state = %s", task, state),
            self.db.one("select count(*) from app.telemetry where name = %s", f"run.{state}"),
        )


@pytest.mark.parametrize(("stage", "seen"), [(1, ("pending", 0, 0)), (2, ("failed", 1, 0)), (3, ("failed", 1, 1))])
def test_a_run_whose_lease_expired_is_failed_by_the_next_claim(db: Database, stage: int, seen: tuple[str, int, int]) -> None:
    """The incident: claim_task calls fail_run, and the orchestrator's _fail_run never hears of it."""
    origin = Origin(db, stage)
    task = origin.orchestrator.start("pay", {})
    origin.client.claim(lease="0 seconds")
    origin.client.claim()

    assert db.one("select state from engine.r_jobs where task_id = %s", task) == "failed"
    assert origin.records(task, "failed") == seen


@pytest.mark.parametrize(("stage", "seen"), [(1, ("pending", 0, 0)), (2, ("cancelled", 1, 0)), (3, ("cancelled", 1, 1))])
def test_a_cancel_through_the_thin_client(db: Database, stage: int, seen: tuple[str, int, int]) -> None:
    origin = Origin(db, stage)
    task = origin.orchestrator.start("pay", {})
    origin.client.cancel(task)

    assert origin.records(task, "cancelled") == seen


@pytest.mark.parametrize(("stage", "seen"), [(1, ("pending", 0, 0)), (2, ("pending", 0, 0)), (3, ("pending", 2, 2))])
def test_a_waiting_run_that_an_event_wakes(db: Database, stage: int, seen: tuple[str, int, int]) -> None:
    """The gate logs pending twice: at the start and at the wake-up."""
    origin = Origin(db, stage)
    task, run = origin.running()
    origin.client.wait(run, "paid")
    origin.client.emit("paid", {"ok": True})

    assert db.one("select state from engine.r_jobs where task_id = %s", task) == "pending"
    assert origin.records(task, "pending") == seen


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_the_orchestrators_own_path_is_recorded_at_every_stage(db: Database, stage: int) -> None:
    origin = Origin(db, stage)
    task, run = origin.running()
    origin.orchestrator._complete_run(task, run, {"paid": 7})

    status, logged, counted = origin.records(task, "completed")
    assert (status, logged) == ("completed", 1)
    assert counted >= 1
