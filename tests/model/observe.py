"""The database as it is, in the model's words; and where the two disagree."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from fixtures.database import Database
from model.world import Ended, Log, Saved, Task, Wait, World
from sql.helpers import T0

Record = dict[str, Any]

TASKS = """
select t.task_id, t.queue_name, t.state, t.attempt, t.claim_epoch, t.claimed_by, t.claim_expires_at, nullif(t.available_at, 'infinity'),
       t.first_started_at, t.cancel_at, t.ended_at, t.wake_event, t.event_payload, t.result, t.error, t.max_attempts
from absurd.task t where t.queue_name = any(%s)"""
RUNS = """
select w.workflow_run_id, w.status, w.attempts, w.absurd_run_id, w.started_at, w.completed_at, w.result, w.error, w.purged_at
from absurd.workflow_run w where w.absurd_queue = any(%s)"""
LOG = """
select l.task_id, l.seq, l.event, l.from_state, l.to_state, l.attempt, l.claim_epoch, l.worker, l.at, l.detail
from absurd.absurd_event_log l where l.queue_name = any(%s) and l.task_id is not null order by l.task_id, l.seq"""
ENDED = "select r.task_id, r.attempt, r.state, r.claim_epoch, r.result, r.failure_reason from absurd.run r where r.queue_name = any(%s)"
SAVED = """
select c.task_id, c.checkpoint_name, c.state, c.status, c.attempt, c.claim_epoch
from absurd.checkpoint c where c.queue_name = any(%s)"""
WAITS = "select w.task_id, w.step_name, w.event_name, w.awaited_task_id, w.timeout_at from absurd.wait w where w.queue_name = any(%s)"
EMITTED = """
select l.queue_name, l.detail ->> 'event', count(*), (array_agg((l.detail ->> 'woken')::integer order by l.log_id desc))[1]
from absurd.absurd_event_log l where l.queue_name = any(%s) and l.event = 'event.emitted' group by 1, 2"""
REMOVED = "select l.workflow_run_id from absurd.absurd_event_log l where l.queue_name = any(%s) and l.event = 'workflow.removed'"
STATUS = "select s.task_id, s.state, s.worker, s.lease_until, s.steps_done from absurd.task_runtime_status s where s.queue_name = any(%s)"


def seconds(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - T0).total_seconds()


class Seen:
    """One look at the database."""

    def __init__(self, db: Database, queues: list[str]) -> None:
        def rows(query: str) -> list[Any]:
            return db.rows(query, queues)

        self.tasks = {row[0]: row for row in rows(TASKS)}
        self.workflow_runs = {row[0]: row for row in rows(RUNS)}
        self.log: dict[UUID, list[Any]] = {}
        for row in rows(LOG):
            self.log.setdefault(row[0], []).append(row)
        self.ended: dict[UUID, dict[int, Ended]] = {}
        for task, attempt, state, epoch, result, reason in rows(ENDED):
            self.ended.setdefault(task, {})[attempt] = Ended(state, epoch, result, plain(reason))
        self.saved: dict[UUID, dict[str, Saved]] = {}
        for task, step, *rest in rows(SAVED):
            self.saved.setdefault(task, {})[step] = Saved(*rest)
        self.waits: dict[UUID, dict[str, Wait]] = {}
        for task, step, event, awaited, until in rows(WAITS):
            self.waits.setdefault(task, {})[step] = Wait(event, awaited, seconds(until))
        self.emitted = {(queue, event): (count, woken) for queue, event, count, woken in rows(EMITTED)}
        self.removed = [task for (task,) in rows(REMOVED)]
        self.status = {row[0]: row for row in rows(STATUS)}

    def record(self, task_id: UUID) -> Record:
        """All that is stored about a task, as `expected` has it."""
        found: Record = {"log": [Log(*row[2:8]) for row in self.log.get(task_id, [])]}
        if task_id in self.tasks:
            (_, queue, state, attempt, epoch, worker, lease, available, first, cancel, ended, event, payload, result, error, most) = (
                self.tasks[task_id]
            )
            found |= {
                "queue": queue, "state": state, "attempt": attempt, "epoch": epoch, "worker": worker, "lease": seconds(lease),
                "available": math.inf if available is None else seconds(available), "first_started": seconds(first),
                "cancel_at": seconds(cancel), "ended_at": seconds(ended), "wake_event": event, "payload": payload, "result": result,
                "error": plain(error), "max_attempts": most,
                "runs": self.ended.get(task_id, {}), "saved": self.saved.get(task_id, {}), "waits": self.waits.get(task_id, {}),
            }  # fmt: skip
        if task_id in self.workflow_runs:
            _, status, attempts, run, started, completed, result, error, purged = self.workflow_runs[task_id]
            found["workflow_run"] = [status, attempts, run.int & 0xFFFFFF, seconds(started), seconds(completed), result, plain(error)]
            found["workflow_run"] += [seconds(purged)]
        if task_id in self.status:
            _, state, worker, lease, steps = self.status[task_id]
            found["status"] = [state, worker, seconds(lease), steps]
        return found


def expected(task: Task) -> Record:
    """All that should be stored about a task."""
    record: Record = {"log": task.log}
    if task.state != "purged":
        columns = asdict(task)
        names = (
            "queue", "state", "attempt", "epoch", "worker", "lease", "available", "first_started", "cancel_at", "ended_at", "wake_event",
            "payload", "result", "error", "max_attempts",
        )  # fmt: skip
        record |= {name: columns[name] for name in names}
        record |= {"runs": task.runs, "saved": task.saved, "waits": task.waits}
    if task.parent is None and not task.forgotten:
        last = task.log[-1]
        status = last.from_state if last.to_state == "purged" else task.state
        error = task.error if status in ("failed", "cancelled") else None
        record["workflow_run"] = [status, task.attempt, task.attempt, task.run_started, task.ended_at, task.result, error, task.purged_at]
    if task.state in ("pending", "running", "sleeping"):
        steps = len(task.saved)
        record["status"] = [task.state, task.worker, task.lease, steps]
    return record


def plain(document: Any) -> Any:
    """A reason without the moment in it, which is written in the session's time zone."""
    return {k: v for k, v in document.items() if k != "claimExpiredAt"} if isinstance(document, dict) else document


def differences(world: World, seen: Seen) -> list[str]:
    """Where the database is not as the world is; empty is right."""
    found = [f"{task} is in the database only" for task in seen.tasks.keys() - world.tasks.keys()]
    for task in world.tasks.values():
        is_, should = seen.record(task.id), expected(task)
        found += [
            f"{task.id} {key}: is {is_.get(key)!r}, should be {should.get(key)!r}"
            for key in sorted(is_.keys() | should.keys())
            if is_.get(key) != should.get(key)
        ]
    if sorted(seen.removed) != sorted(t.id for t in world.tasks.values() if t.forgotten):
        found.append(f"removals in the log: {seen.removed}")
    emitted = {key: count for key, (count, _) in seen.emitted.items()}
    if emitted != dict(world.emissions):
        found.append(f"emissions: {emitted}, should be {dict(world.emissions)}")
    for key, (_, _, woken) in world.events.items():
        if seen.emitted.get(key, (0, None))[1] != woken:
            found.append(f"{key} woke {seen.emitted.get(key)}, should have woken {woken}")
    return found
