"""What a test may ask about a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tollway.testing.database import TestDatabase

TASK = """
select task_name, queue_name, state, attempt, result, error, wake_event from absurd.task where task_id = %s"""
# By place, which is the order of insertion where no row ever goes: on a clock that stands still, all times are one.
STEPS = """
select checkpoint_name, state, status, attempt, duration_ms from absurd.checkpoint
where task_id = %s order by ctid"""
LOG = "select event from absurd.absurd_event_log where task_id = %s order by seq"


@dataclass(frozen=True, slots=True)
class Step:
    """A recorded step. `name` begins with `$` for sleeps, events, children and values of the context."""

    name: str
    value: Any
    """As it is stored: plain JSON."""
    timed_out: bool
    attempt: int
    duration_ms: float | None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as it was when it was asked for."""

    id: UUID
    workflow: str
    queue: str
    state: str
    attempt: int
    result: Any
    """As it is stored: plain JSON."""
    error: Any
    steps: dict[str, Step]
    log: list[str]
    """The events of its moves, in order: `task.spawned`, `run.claimed`, `run.completed`, ..."""


def view(database: TestDatabase, task_id: UUID) -> TaskView:
    """Read a task. Raises: AssertionError, when there is none."""
    found = database.rows(TASK, task_id)
    assert found, f"there is no task {task_id} in this test's database"
    name, queue, state, attempt, result, error, _ = found[0]
    steps = {
        step: Step(step, value, status == "timed_out", made_by, duration)
        for step, value, status, made_by, duration in database.rows(STEPS, task_id)
    }
    return TaskView(task_id, name, queue, state, attempt, result, error, steps, [row[0] for row in database.rows(LOG, task_id)])
