"""The numbers of the last line, each counted: from the database, and from the file that the step bodies wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from tollway.demo.inventory import CHILD, DISCOVER, PARENT, START_CHILDREN, app
from tollway.demo.witness import Execution, digest

TASKS = "select task_id, task_name, params ->> 'package', state, result is not null from absurd.task where queue_name = %s"
STEPS = """
select c.task_id, c.checkpoint_name, c.state from absurd.checkpoint c
where c.queue_name = %s and c.checkpoint_name not like '$%%'"""
VIOLATIONS = "select count(*) from absurd.verify()"

Step = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Counts:
    """`expected_*` is what must come out, found from the files on disk; everything else is counted."""

    workflows: int
    expected_workflows: int
    steps: int
    expected_steps: int
    executions: int
    workers_killed: int
    lost: int
    stored_twice: int
    violations: int

    def line(self) -> str:
        killed = f"{self.workers_killed} worker{'' if self.workers_killed == 1 else 's'} killed"
        return (
            f"demo: {self.workflows} workflows, {self.steps} steps in {self.executions} executions, {killed}, {self.lost} lost, "
            f"{self.stored_twice} results stored twice, {self.violations} violations"
        )

    def problems(self) -> list[str]:
        """What is off, in words; empty is right."""
        checks = {
            f"{self.workflows} workflows completed, {self.expected_workflows} should have": self.workflows != self.expected_workflows,
            f"{self.steps} steps are stored, {self.expected_steps} should be": self.steps != self.expected_steps,
            f"{self.executions} executions are fewer than {self.steps} steps": self.executions < self.steps,
            f"{self.lost} steps or workflows have no result": self.lost != 0,
            f"{self.stored_twice} results are stored twice, or are not what was computed": self.stored_twice != 0,
            f"verify() names {self.violations} violations": self.violations != 0,
        }
        return [text for text, off in checks.items() if off]


def count(connection: psycopg.Connection[Any], ran: Sequence[Execution], library: Mapping[str, list[str]], workers_killed: int) -> Counts:
    """Compare what is stored with what ran, and with what is on disk."""
    tasks = connection.execute(TASKS, (app.queue,)).fetchall()
    stored: dict[Step, list[Any]] = defaultdict(list)
    for task_id, step, state in connection.execute(STEPS, (app.queue,)):
        stored[task_id, step].append(state)
    violations = connection.execute(VIOLATIONS).fetchone()
    assert violations is not None
    return Counts(
        workflows=sum(state == "completed" for _, _, _, state, _ in tasks),
        expected_workflows=1 + len(library),
        steps=sum(len(values) for values in stored.values()),
        expected_steps=2 + sum(len(files) for files in library.values()),
        executions=sum(execution.digest is None for execution in ran),
        workers_killed=workers_killed,
        lost=_lost(tasks, stored, library),
        stored_twice=_stored_twice(stored, ran),
        violations=int(violations[0]),
    )


def _lost(tasks: Sequence[Any], stored: Mapping[Step, Any], library: Mapping[str, list[str]]) -> int:
    """Workflows that should exist and did not complete with a result, and their steps that are not stored."""
    found = {(name, package): (task_id, state == "completed" and result) for task_id, name, package, state, result in tasks}
    due: dict[tuple[str, str | None], list[str]] = {(PARENT, None): [DISCOVER, START_CHILDREN]}
    due |= {(CHILD, package): files for package, files in library.items()}
    lost = 0
    for workflow, steps in due.items():
        task_id, completed = found.get(workflow, (None, False))
        lost += not completed
        lost += sum((task_id, step) not in stored for step in steps)
    return lost


def _stored_twice(stored: Mapping[Step, list[Any]], ran: Sequence[Execution]) -> int:
    """Steps with more than one row, and rows that hold something that no execution of the step computed."""
    computed: dict[Step, set[str]] = defaultdict(set)
    for execution in ran:
        if execution.digest is not None:
            computed[execution.task_id, execution.step].add(execution.digest)
    return sum(len(values) > 1 or digest(values[0]) not in computed[step] for step, values in stored.items())
