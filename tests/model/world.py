"""The specification as a program: tasks, their records, and what each move owes. Pure Python; times are seconds since the start.

Written from the table in the guarantees, not from the SQL: where the two differ, one of them is wrong.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

LIVE = ("pending", "running", "sleeping")
OVER = ("completed", "failed", "cancelled")
# (from, to, event): every move there is
MOVES = frozenset(
    {
        ("new", "pending", "task.spawned"),
        ("new", "sleeping", "task.spawned"),
        ("pending", "running", "run.claimed"),
        ("sleeping", "running", "run.claimed"),
        ("sleeping", "pending", "run.woken"),
        ("running", "completed", "run.completed"),
        ("running", "failed", "run.failed"),
        ("running", "pending", "run.retried"),
        ("running", "sleeping", "run.retried"),
        ("running", "sleeping", "run.suspended"),
        ("running", "sleeping", "run.put_back"),
        ("running", "pending", "run.released"),
        *((state, "cancelled", "task.cancelled") for state in LIVE),
        ("failed", "pending", "task.retried"),
        *((state, "purged", "task.purged") for state in (*LIVE, *OVER)),
    }
)
ATTEMPT_ENDS = ("run.completed", "run.failed", "run.retried", "task.cancelled")


class Refused(Exception):
    """A call that is refused, by its SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@dataclass(frozen=True)
class Log:
    """One row of a task's log; seq is its place."""

    event: str
    from_state: str
    to_state: str
    attempt: int
    epoch: int
    worker: str | None


@dataclass(frozen=True)
class Ended:
    """An attempt that is over."""

    state: str
    epoch: int
    result: Any
    reason: Any


@dataclass(frozen=True)
class Saved:
    """A checkpoint; status is committed or timed_out."""

    value: Any
    status: str
    attempt: int
    epoch: int


@dataclass(frozen=True)
class Wait:
    """For an event of the task's queue, or for the end of a task, until when."""

    event: str | None
    task: UUID | None
    until: float | None


@dataclass
class Task:
    """A task as it should be, with everything derived from its moves."""

    id: UUID
    queue: str
    state: str
    available: float
    enqueued: float
    max_attempts: int | None = None
    retry: tuple[str, float, float] | None = None
    """kind, base_seconds, factor"""
    max_delay: int | None = None
    max_duration: int | None = None
    deadline: float | None = None
    priority: int = 0
    key: str | None = None
    parent: UUID | None = None
    detached: bool = False
    attempt: int = 1
    epoch: int = 0
    worker: str | None = None
    lease: float | None = None
    first_started: float | None = None
    cancel_at: float | None = None
    ended_at: float | None = None
    wake_event: str | None = None
    payload: Any = None
    result: Any = None
    error: Any = None
    run_started: float | None = None
    """workflow_run.started_at: the first claim of all"""
    purged_at: float | None = None
    forgotten: bool = False
    log: list[Log] = field(default_factory=list)
    runs: dict[int, Ended] = field(default_factory=dict)
    saved: dict[str, Saved] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)

    def state_of_run(self, attempt: int) -> str | None:
        if attempt == self.attempt:
            return self.state
        return self.runs[attempt].state if attempt in self.runs else None

    def start(self, now: float) -> None:
        """What a claim writes beside what it was given."""
        if self.first_started is None:
            self.first_started = now
            self.cancel_at = self.rule_at()
        self.run_started = now if self.run_started is None else self.run_started

    def leave(self, event: str, now: float) -> None:
        """What every other move writes."""
        self.worker = self.lease = None
        self.ended_at = now if self.state in OVER else None
        if self.state == "completed":
            self.error = None
        if event in ("run.retried", "task.retried"):
            self.payload = None
        if event == "task.retried":
            self.wake_event = self.result = self.error = self.first_started = None
            self.cancel_at = self.deadline

    def rule_at(self) -> float | None:
        """The next moment a cancellation rule may apply."""
        if self.first_started is None:
            rule = None if self.max_delay is None else self.enqueued + self.max_delay
        else:
            rule = None if self.max_duration is None else self.first_started + self.max_duration
        return min((m for m in (rule, self.deadline) if m is not None), default=None)


def cancelled_because(by: str, rule: str | None = None, message: str | None = None) -> dict[str, Any]:
    """workflow_run.error of a cancelled task: who and why."""
    words = {
        None: "cancelled on request",
        "parent": "its parent was cancelled",
        "max_delay": "it did not start within max_delay",
        "max_duration": "it did not end within max_duration",
        "deadline": "its deadline passed",
    }
    made = {"name": "$Cancelled", "message": message or words[rule], "by": by}
    return made if rule is None else {**made, "rule": rule}


class World:
    """All tasks and events, the clock, and the gate: `move` is the only way to a state."""

    def __init__(self, by: str) -> None:
        self.by = by
        self.now: float = 0
        self.tasks: dict[UUID, Task] = {}
        self.events: dict[tuple[str, str], tuple[float, Any, int]] = {}
        """(queue, name) -> when, payload, how many it woke"""
        self.moves: Counter[tuple[str, str, str]] = Counter()
        self.emissions: Counter[tuple[str, str]] = Counter()

    def find(self, queue: str, task_id: UUID | None) -> Task | None:
        """A task that is there, in that queue."""
        task = None if task_id is None else self.tasks.get(task_id)
        return task if task and task.queue == queue and task.state != "purged" else None

    def of_queue(self, queue: str, *states: str) -> list[Task]:
        return [t for t in self.tasks.values() if t.queue == queue and t.state in states]

    def add(self, task: Task) -> Task:
        self.tasks[task.id] = task
        task.cancel_at = task.rule_at()
        self._record(task, "task.spawned", "new", task.state, 1, None)
        return task

    def _record(self, task: Task, event: str, old: str, new: str, attempt: int, worker: str | None) -> None:
        assert (old, new, event) in MOVES, f"the model itself made {old} -> {new} by {event}"
        self.moves[old, new, event] += 1
        task.log.append(Log(event, old, new, attempt, task.epoch, worker))

    def move(self, task: Task, to: str, event: str, **columns: Any) -> None:
        """One move with what it owes: log, ended attempt, workflow_run, awaiters, children."""
        old, worker, attempt = task.state, task.worker, task.attempt
        for name, value in columns.items():
            setattr(task, name, value)
        task.state = to
        if to == "running":
            worker = task.worker
            task.start(self.now)
        else:
            task.leave(event, self.now)
        if event in ATTEMPT_ENDS:
            state = to if to in ("completed", "cancelled") else "failed"
            task.runs[attempt] = Ended(state, task.epoch, task.result, task.error)
        self._record(task, event, old, to, attempt if event == "run.retried" else task.attempt, worker)
        if old == "sleeping":
            task.waits.clear()
        if to in OVER:
            self.wake(t for t in self._awaiters(task.id))
        if to in ("failed", "cancelled"):
            self._stop_children(task)

    def _awaiters(self, ended: UUID) -> list[Task]:
        return [t for t in self.tasks.values() if any(w.task == ended for w in t.waits.values())]

    def _stop_children(self, parent: Task) -> None:
        failed = f"its parent {parent.id} failed" if parent.state == "failed" else None
        for child in [t for t in self.tasks.values() if t.parent == parent.id and not t.detached and t.state in LIVE]:
            self.move(child, "cancelled", "task.cancelled", error=cancelled_because(self.by, "parent", failed))

    def has_come(self, queue: str, wait: Wait) -> bool:
        if wait.event is not None:
            return (queue, wait.event) in self.events
        return self.tasks[wait.task].state in (*OVER, "purged")

    def wake(self, tasks: Iterable[Task]) -> int:
        """Sleeping tasks whose wait is over: its payload becomes their checkpoint. A wait that timed out first is left alone."""
        woken = 0
        for task in list(tasks):
            come = {s: w for s, w in task.waits.items() if (w.until is None or w.until > self.now) and self.has_come(task.queue, w)}
            if task.state != "sleeping" or not come:
                continue
            ((step, wait),) = come.items()
            payload = None
            if wait.event is not None:
                payload = self.events[task.queue, wait.event][1]
                task.saved.setdefault(step, Saved(payload, "committed", task.attempt, task.epoch))
            self.move(task, "pending", "run.woken", available=self.now, wake_event=None, payload=payload)
            woken += 1
        return woken

    def purge(self, tasks: Iterable[Task]) -> None:
        gone = list(tasks)
        for task in gone:
            self._record(task, "task.purged", task.state, "purged", task.attempt, task.worker)
            task.state = "purged"
            task.purged_at = self.now
            task.runs.clear(), task.saved.clear(), task.waits.clear()
        for task in gone:
            self.wake(self._awaiters(task.id))

    def next_try(self, task: Task) -> float:
        kind, base, factor = task.retry or ("none", 0, 0)
        if kind == "exponential":
            return self.now + base * math.pow(factor, task.attempt - 1)
        return self.now + (base if kind == "fixed" else 0)
