"""What the fuzzed functions find: two queues with a task in each state, epochs old and new, waits, events, hooks."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from fixtures.database import Database
from sql import helpers as sql

QUEUE, OTHER = "q", "other"


@dataclass
class Scene:
    """The ids and words that a caller may know, right or wrong."""

    tasks: list[uuid.UUID] = field(default_factory=list)
    runs: list[uuid.UUID] = field(default_factory=list)
    claims: list[tuple[uuid.UUID, uuid.UUID, int]] = field(default_factory=list)
    """(task, run, epoch) of claims that hold."""
    bystanders: list[uuid.UUID] = field(default_factory=list)
    """Tasks whose ids nobody knows: whatever is called, they are claimed afterwards."""


def build(db: Database) -> Scene:
    """The scene; it is committed, and every case works on it in a transaction that is rolled back."""
    sql.prepare(db)
    db.conn.execute("select absurd.create_queue(%s)", (OTHER,))
    scene = Scene()
    for _ in range(3):
        scene.bystanders.append(sql.spawn(db, priority=100))
    for state in ("running", "sleeping", "completed", "failed", "cancelled"):
        _keep(db, scene, sql.running(db) if state == "running" else sql.task_in(db, state))
    _more(db, scene)
    foreign = sql.spawn(db, queue=OTHER)
    _keep(db, scene, sql.claim_one(db, queue=OTHER))
    assert scene.tasks[-1] == foreign
    sql.spawn(db, queue=OTHER)
    # pending ones last: nothing claims them any more
    scene.tasks.append(sql.spawn(db, idempotency_key="known"))
    scene.runs.append(sql.run_id(db, scene.tasks[-1]))
    db.conn.execute("select absurd.set_on_move(%s, null, 'failed', 'handler')", (QUEUE,))
    for table in ("task", "event", "wait", "checkpoint", "run", "workflow_run", "absurd_event_log"):
        db.conn.execute(f"analyze absurd.{table}")
    assert not db.verify()
    return scene


def _more(db: Database, scene: Scene) -> None:
    """A retried task with a stale claim, a parent with a child, one that waits, one with a time limit."""
    retried = sql.running(db, max_attempts=3)
    sql.fail(db, retried)
    scene.runs.append(retried["run_id"])
    _keep(db, scene, sql.claim_one(db))
    parent = sql.running(db)
    _keep(db, scene, parent)
    sql.checkpoint(db, parent, "s", {"known": 1})
    _keep(db, scene, sql.running(db, parent_task_id=str(parent["task_id"])))
    waiting = sql.running(db)
    sql.await_event(db, waiting, "awaited", 3600)
    _keep(db, scene, waiting)
    sql.emit(db, "emitted", {"p": 1})
    _keep(db, scene, sql.running(db, cancellation={"max_duration": 600}, retry_strategy={"kind": "exponential", "factor": 0.5}))


def _keep(db: Database, scene: Scene, task: dict[str, Any]) -> None:
    scene.tasks.append(task["task_id"])
    scene.runs.append(task["run_id"])
    if sql.state(db, task["task_id"]) == "running":
        scene.claims.append((task["task_id"], task["run_id"], task["claim_epoch"]))


def dump(value: Any) -> str:
    return json.dumps(value, default=str)
