"""The claim epoch is checked under a lock that is held to commit: nothing can happen between the check and the write."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Session, Task, claim_one, log, make_queue, op, running, spawn, sqlstate, state, statuses, sync

SAVE = "select absurd.set_task_checkpoint_state('q', %s, 's', %s, %s, null, %s)"
COMPLETE = "select absurd.complete_run('q', %s, '1', %s)"
FAIL = "select absurd.fail_run('q', %s, '{}', null, %s)"
EXTEND = "select absurd.extend_claim('q', %s, 60, %s)"
SLEEP = "select absurd.schedule_run('q', %s, 'infinity', %s)"
AWAIT = "select * from absurd.await_event('q', %s, %s, 's', 'e', null, %s)"


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def calls(task: Task) -> dict[str, tuple[str, tuple[Any, ...]]]:
    return {
        "checkpoint": (SAVE, (task.task_id, '"late"', task.run_id, task.epoch)),
        "complete": (COMPLETE, (task.run_id, task.epoch)),
        "fail": (FAIL, (task.run_id, task.epoch)),
        "extend": (EXTEND, (task.run_id, task.epoch)),
        "sleep": (SLEEP, (task.run_id, task.epoch)),
        "await": (AWAIT, (task.task_id, task.run_id, task.epoch)),
        "spawn a child": (
            "select * from absurd.spawn_task('q', 'child', '1', %s, %s)",
            (json.dumps({"parent_task_id": str(task.task_id)}), task.epoch),
        ),
    }


CALLS = ["checkpoint", "complete", "fail", "extend", "sleep", "await", "spawn a child"]


def take_over(session: Session, task: Task) -> None:
    """Release the task and claim it anew, in the session's open transaction."""
    session.run("select * from absurd.release_claims('q', %s)", json.dumps([{"task_id": str(task.task_id), "epoch": task.epoch}]))
    assert session.run("select task_id from absurd.claim_task('q', 'w2')") == [(task.task_id,)]


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_that_waited_while_its_claim_was_taken_over_is_refused(db: Database, kind: str) -> None:
    task = running(db)
    with Session(db) as heir, Session(db) as late:
        heir.run("begin")
        take_over(heir, task)
        call = late.start(calls(task)[kind][0], *calls(task)[kind][1])
        late.waits_for(heir)
        heir.run("commit")

        assert sqlstate(call) == "TW201"
    assert db.one("select claim_epoch, claimed_by, state from absurd.task") == (2, "w2", "running")
    assert db.rows("select from absurd.checkpoint") == []
    assert db.verify() == []


@pytest.mark.parametrize("kind", ["checkpoint", "complete", "fail", "extend", "sleep", "await"])
def test_a_call_that_waited_while_the_takeover_was_undone_is_done(db: Database, kind: str) -> None:
    task = running(db)
    with Session(db) as heir, Session(db) as late:
        heir.run("begin")
        take_over(heir, task)
        call = late.start(calls(task)[kind][0], *calls(task)[kind][1])
        late.waits_for(heir)
        heir.run("rollback")

        assert sqlstate(call) is None
    assert db.verify() == []


def test_a_takeover_waits_for_a_checkpoint_that_is_not_committed(db: Database) -> None:
    """The lock goes both ways: the sweep skips a task whose worker is writing, and finds the value committed next time."""
    task = running(db)
    db.clock.freeze()
    db.clock.advance(timedelta(minutes=1))
    with Session(db) as worker:
        worker.run("begin")
        worker.run(SAVE, task.task_id, '"kept"', task.run_id, task.epoch)

        assert db.rows("select * from absurd.claim_task('q', 'w2')") == []

        worker.run("commit")
    heir = db.one("select checkpoints, attempt from absurd.claim_tasks('q', 'w2')")
    assert heir == ({"s": {"state": "kept", "status": "committed"}}, 2)
    assert db.verify() == []


def without_lock(db: Database, function: str) -> None:
    """Put a function in anew, without FOR NO KEY UPDATE."""
    source = db.one("select pg_get_functiondef(%s::regproc)", f"absurd.{function}")
    assert "for no key update" in source
    db.conn.execute(source.replace("for no key update", ""))


def test_without_the_lock_a_stale_checkpoint_commits_beside_its_successors_control(db: Database) -> None:
    """The check alone is no fence: take the lock out of _lock_run, and the same schedule ends badly."""
    without_lock(db, "_lock_run")
    task = running(db)
    with Session(db) as late, Session(db) as heir:
        late.run("begin")
        late.run(SAVE, task.task_id, '"late"', task.run_id, task.epoch)
        heir.run("begin")
        take_over(heir, task)  # with the lock it would wait here
        heir.run("commit")
        late.run("commit")

    assert db.one("select claim_epoch from absurd.task") == 2
    assert db.one("select state, claim_epoch from absurd.checkpoint") == ("late", 1)  # written after the second claim


def test_r1_a_stale_worker_changes_nothing_by_any_call(db: Database) -> None:
    """R1: in absurd worker 1 completed worker 2's run, and extended its lease: the run id survives."""
    task = running(db)
    sync(db, [op("sleep", task, seconds=0)])
    heir = claim_one(db, worker="w2")
    assert heir.run_id == task.run_id
    before = db.rows("select * from absurd.task")

    with Session(db) as stale:
        outcomes = [sqlstate(stale.start(*_flat(calls(task)[kind]))) for kind in CALLS]
    beats = db.one("select status from absurd.heartbeat('q', %s, 60)", json.dumps([{"task_id": str(task.task_id), "epoch": 1}]))

    assert outcomes == ["TW201"] * len(CALLS)
    assert beats == "lost"
    assert db.rows("select * from absurd.task") == before
    assert db.rows("select from absurd.checkpoint") == []


def _flat(call: tuple[str, tuple[Any, ...]]) -> tuple[Any, ...]:
    return (call[0], *call[1])


def test_r2_a_failure_reported_after_a_lost_answer_does_not_kill_the_sleeping_run(db: Database) -> None:
    """R2: the worker that lost the answer to await or schedule then reports failure."""
    with Session(db) as worker:
        for suspend in (SLEEP, AWAIT):
            task = running(db)
            worker.run(suspend, *((task.run_id, task.epoch) if suspend == SLEEP else (task.task_id, task.run_id, task.epoch)))

            assert sqlstate(worker.start(FAIL, task.run_id, task.epoch)) == "TW201"
            assert sqlstate(worker.start(FAIL, task.run_id, None)) == "P0001"
            assert state(db, task.task_id) == "sleeping"
            assert log(db, task.task_id)[-1] == "run.suspended"


def test_r3_an_earlier_attempt_cannot_overwrite_a_later_ones_checkpoint(db: Database) -> None:
    """R3: attempt 1 overwrote attempt 2's committed value."""
    first = running(db)
    db.clock.freeze()
    db.clock.advance(timedelta(minutes=1))
    second = claim_one(db, worker="w2")
    with Session(db) as w1, Session(db) as w2:
        w2.run("begin")
        w2.run(SAVE, second.task_id, '"second"', second.run_id, second.epoch)
        fenced = w1.start(SAVE, first.task_id, '"first"', first.run_id, first.epoch)
        w1.waits_for(w2)
        w2.run("commit")

        assert sqlstate(fenced) == "TW201"
        assert sqlstate(w1.start(SAVE, first.task_id, '"first"', first.run_id, None)) == "AB002"
        assert sqlstate(w2.start(SAVE, second.task_id, '"other"', second.run_id, second.epoch)) == "TW202"
        assert sqlstate(w2.start(SAVE, second.task_id, '"other"', second.run_id, None)) is None
    assert db.one("select state, attempt from absurd.checkpoint") == ("second", 2)


def test_r13_a_lease_counts_from_when_the_rows_were_locked(db: Database) -> None:
    """R13: in absurd the lease is computed before lock waits, so a task could be born expired and run twice at once."""
    task = running(db)
    db.clock.freeze()
    with Session(db) as holder, Session(db) as worker:
        holder.run("begin")
        holder.run("select from absurd.task for update")
        extension = worker.start(EXTEND, task.run_id, task.epoch)
        worker.waits_for(holder)
        db.clock.advance(timedelta(seconds=20))
        holder.run("commit")
        assert sqlstate(extension) is None

    assert db.one("select claim_expires_at - absurd.current_time() from absurd.task") == timedelta(seconds=60)


@pytest.mark.parametrize("timeout", [0, -5, None])
def test_r15_a_claim_always_has_a_lease(db: Database, timeout: int | None) -> None:
    """R15: claim time-out 0 meant no lease, and a dead worker's task was never recovered."""
    spawn(db)
    db.clock.freeze()

    db.rows("select * from absurd.claim_task('q', 'w1', %s)", timeout)

    lease = db.one("select claim_expires_at - absurd.current_time() from absurd.task")
    assert timedelta(0) < lease <= timedelta(days=1)
    db.clock.advance(lease)
    assert claim_one(db, worker="w2").attempt == 2


def test_r19_a_completion_sent_again_after_a_lost_answer_succeeds(db: Database) -> None:
    """R19: absurd raises a generic error, and the SDK then fails the run."""
    task = running(db)
    with Session(db) as worker:
        for epoch in (task.epoch, task.epoch, None):
            assert sqlstate(worker.start(COMPLETE, task.run_id, epoch)) is None
        assert sqlstate(worker.start(FAIL, task.run_id, task.epoch)) == "TW201"
        assert sqlstate(worker.start("select absurd.complete_run('q', %s, '2', %s)", task.run_id, task.epoch)) == "TW201"

    assert log(db, task.task_id) == ["task.spawned", "run.claimed", "run.completed"]
    assert statuses(sync(db, [op("complete", task, result=1)])) == ["already"]
    assert db.verify() == []


def test_two_completions_at_once_end_the_task_once(db: Database) -> None:
    task = running(db)
    with Session(db) as one, Session(db) as two:
        one.run("begin")
        one.run(COMPLETE, task.run_id, task.epoch)
        second = two.start(COMPLETE, task.run_id, task.epoch)
        two.waits_for(one)
        one.run("commit")

        assert sqlstate(second) is None
    assert log(db, task.task_id).count("run.completed") == 1
    assert db.verify() == []


def test_a_claim_that_failed_its_run_is_told_so_every_time(db: Database) -> None:
    """And a claim that was lost hears of that instead, however often its statement was planned."""
    task = running(db)
    with Session(db) as worker:
        worker.run(FAIL, task.run_id, task.epoch)
        own = {sqlstate(worker.start(FAIL, task.run_id, task.epoch)) for _ in range(12)}
        heir = claim_one(db, worker="w2")
        lost = {sqlstate(worker.start(FAIL, task.run_id, task.epoch)) for _ in range(12)}

    assert heir.attempt == 2
    assert (own, lost) == ({"AB002"}, {"TW201"})
