"""worker_sync answers "already" for what this very claim did, and for nothing that another one did the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import claim_one, make_queue, op, running, state, statuses, sync

OPS: dict[str, tuple[str, dict[str, Any]]] = {
    "checkpoint": ("checkpoint", {"step": "s", "state": 1}),
    "spawn": ("spawn", {"step": "s", "task_name": "kid"}),
    "complete": ("complete", {"result": 1}),
    "fail": ("fail", {"reason": {"name": "E"}, "retryable": False}),
    "sleep": ("sleep", {"seconds": 60}),
    "await": ("await", {"step": "w", "event": "e"}),
    "put_back": ("put_back", {"seconds": 60}),
    "release": ("release", {}),
}


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


@pytest.mark.parametrize("kind", OPS)
def test_the_same_from_an_earlier_claim_is_stale(db: Database, kind: str) -> None:
    """The run id is the same, the value is the same: only the epoch tells that the answer was not lost, but the claim."""
    name, fields = OPS[kind]
    first = running(db)
    sync(db, [op("sleep", first, seconds=0)])
    second = claim_one(db, worker="w2")
    assert second.run_id == first.run_id
    assert statuses(sync(db, [op(name, second, **fields)])) == ["ok"]

    assert statuses(sync(db, [op(name, second, **fields)])) == ["already"]
    assert statuses(sync(db, [op(name, first, **fields)])) == ["stale"]

    assert db.verify() == []


@pytest.mark.parametrize("kind", OPS)
def test_an_earlier_claim_of_a_cancelled_task_is_stale_and_the_last_one_cancelled(db: Database, kind: str) -> None:
    name, fields = OPS[kind]
    first = running(db)
    sync(db, [op("sleep", first, seconds=0)])
    second = claim_one(db, worker="w2")
    db.rows("select absurd.cancel_task('q', %s)", first.task_id)

    assert statuses(sync(db, [op(name, first, **fields)])) == ["stale"]
    assert statuses(sync(db, [op(name, second, **fields)])) == ["cancelled"]


def test_a_child_that_could_not_be_made_is_stale_first(db: Database) -> None:
    """Whoever lost the claim is told so, and not that the child is at fault, which would be reported as a failure."""
    first = running(db)
    sync(db, [op("sleep", first, seconds=0)])
    second = claim_one(db, worker="w2")
    bad: dict[str, Any] = {"step": "s", "task_name": "kid", "options": {"priority": "high"}}

    assert statuses(sync(db, [op("spawn", first, **bad)])) == ["stale"]
    assert statuses(sync(db, [op("spawn", second, **bad)])) == ["refused"]


@pytest.mark.parametrize("call", ["heartbeat", "release_claims"])
@pytest.mark.parametrize("end", ["running", "cancelled"])
def test_an_earlier_claim_is_lost_to_a_heartbeat_and_a_release(db: Database, call: str, end: str) -> None:
    first = running(db)
    sync(db, [op("sleep", first, seconds=0)])
    second = claim_one(db, worker="w2")
    if end == "cancelled":
        db.rows("select absurd.cancel_task('q', %s)", first.task_id)
    before = db.rows("select * from absurd.task")
    claims = [json.dumps([{"task_id": str(t.task_id), "epoch": t.epoch}]) for t in (first, second)]
    query = f"select status from absurd.{call}('q', %s" + (", 600)" if call == "heartbeat" else ")")

    assert db.one(query, claims[0]) == "lost"
    assert db.rows("select * from absurd.task") == before
    told = {("heartbeat", "running"): "ok", ("heartbeat", "cancelled"): "cancelled", ("release_claims", "running"): "ok"}
    assert db.one(query, claims[1]) == told.get((call, end), "lost")
    assert state(db, first.task_id) == ("pending" if (call, end) == ("release_claims", "running") else end)
