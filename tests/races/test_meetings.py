"""Two sessions that meet on one task: whichever comes first, one end, no lost wake-up, no deadlock."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, Session, Task, claim, claim_one, log, make_queue, op, refused, running, spawn, sqlstate, state, statuses, sync

EMIT = "select absurd.emit_event('q', 'e', '1')"
CANCEL = "select absurd.cancel_task('q', %s)"
COMPLETE = "select absurd.complete_run('q', %s, '1', %s)"
FAIL = "select absurd.fail_run('q', %s, '{}', null, %s, false)"
SAVE = "select absurd.set_task_checkpoint_state('q', %s, 's', '1', %s, null, %s)"
AWAIT = "select should_suspend, payload from absurd.await_event('q', %s, %s, 's', 'e', %s, %s)"
SYNC = "select absurd.worker_sync(%s)"


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def request(*ops: dict[str, Any]) -> str:
    return json.dumps({"queue": Q, "worker": "w", "ops": [{"n": n, **o} for n, o in enumerate(ops)]}, default=str)


def awaiting(db: Database, *, timeout: int | None = None) -> Task:
    task = running(db)
    assert db.one(AWAIT, task.task_id, task.run_id, timeout, task.epoch) == (True, None)
    return task


# emit and await


def test_an_await_that_waits_for_an_emission_gets_its_payload(db: Database) -> None:
    task = running(db)
    with Session(db) as emitter, Session(db) as worker:
        emitter.run("begin")
        emitter.run(EMIT)
        call = worker.start(AWAIT, task.task_id, task.run_id, None, task.epoch)
        worker.waits_for(emitter)
        emitter.run("commit")

        assert call.result() == [(False, 1)]
    assert db.verify() == []


def test_an_await_that_waits_for_an_emission_undone_suspends(db: Database) -> None:
    task = running(db)
    with Session(db) as emitter, Session(db) as worker:
        emitter.run("begin")
        emitter.run(EMIT)
        call = worker.start(AWAIT, task.task_id, task.run_id, None, task.epoch)
        worker.waits_for(emitter)
        emitter.run("rollback")

        assert call.result() == [(True, None)]
    db.one(EMIT)
    assert state(db, task.task_id) == "pending"
    assert db.verify() == []


@pytest.mark.parametrize("known", [False, True])
def test_an_emission_that_waits_for_an_await_wakes_it(db: Database, known: bool) -> None:
    task = running(db)
    if known:
        awaiting(db)
    with Session(db) as worker, Session(db) as emitter:
        worker.run("begin")
        assert worker.run(AWAIT, task.task_id, task.run_id, None, task.epoch) == [(True, None)]
        call = emitter.start(EMIT)
        emitter.waits_for(worker)
        worker.run("commit")
        assert sqlstate(call) is None

    assert set(db.rows("select state from absurd.task")) == {("pending",)}
    assert db.verify() == []


@pytest.mark.parametrize("emit_first", [True, False])
def test_emit_and_await_through_worker_sync_lose_no_wake_up(db: Database, emit_first: bool) -> None:
    emitter_task, task = running(db), running(db)
    emit, wait = op("emit", emitter_task, event="e", payload=1), op("await", task, step="s", event="e")
    sync(db, [op("await", awaiting_one, step="x", event="e") for awaiting_one in [running(db)]])  # the event's row is there
    first, second = (emit, wait) if emit_first else (wait, emit)
    with Session(db) as one:
        one.run("begin")
        one.run(SYNC, request(first))
        held = sync(db, [second])
        one.run("commit")

    assert statuses(held) == ["busy"]
    assert statuses(sync(db, [second])) == ["ok"]
    assert db.rows("select from absurd.task where state = 'sleeping'") == []
    assert db.verify() == []


def test_two_emissions_at_once_have_one_winner(db: Database) -> None:
    task = awaiting(db)
    with Session(db) as one, Session(db) as two:
        one.run("begin")
        one.run(EMIT)
        call = two.start("select absurd.emit_event('q', 'e', '2')")
        two.waits_for(one)
        one.run("commit")
        assert sqlstate(call) is None

    assert db.one("select payload from absurd.event") == 1
    assert db.one("select event_payload from absurd.task where task_id = %s", task.task_id) == 1
    assert db.one("select count(*) from absurd.absurd_event_log where event = 'event.emitted'") == 1


def test_r5_event_clean_up_leaves_what_a_task_waits_for(db: Database) -> None:
    """R5: it deleted the row that await relies on for its lock: a wake-up was lost for ever."""
    task = awaiting(db)
    db.clock.freeze()
    db.clock.advance(timedelta(days=400))

    assert db.one("select absurd.cleanup_events('q', 0)") == 0
    db.one(EMIT)

    assert state(db, task.task_id) == "pending"
    assert db.verify() == []


def test_r5_event_clean_up_during_an_await_loses_no_wake_up(db: Database) -> None:
    """R5, by schedule: clean-up and emission come while the await is not committed."""
    task = running(db)
    with Session(db) as worker, Session(db) as emitter:
        worker.run("begin")
        worker.run(AWAIT, task.task_id, task.run_id, None, task.epoch)
        assert db.one("select absurd.cleanup_events('q', 0)") == 0
        call = emitter.start(EMIT)
        emitter.waits_for(worker)
        worker.run("commit")
        assert sqlstate(call) is None

    assert state(db, task.task_id) == "pending"
    assert db.verify() == []


def test_a_placeholder_cleaned_up_while_an_await_waits_for_it_loses_no_wake_up(db: Database) -> None:
    """The clean-up holds the placeholder, nobody waits yet: the await must register against a row that stays."""
    db.conn.execute("insert into absurd.event (queue_name, event_name) values ('q', 'e')")
    task = running(db)
    with Session(db) as cleaner, Session(db) as worker:
        cleaner.run("begin")
        assert cleaner.run("select absurd.cleanup_events('q', 0)") == [(1,)]
        call = worker.start(AWAIT, task.task_id, task.run_id, None, task.epoch)
        worker.waits_for(cleaner)
        cleaner.run("commit")
        assert call.result() == [(True, None)]

    assert db.one("select count(*) from absurd.event") == 1
    db.one(EMIT)
    assert state(db, task.task_id) == "pending"


def test_r9_an_await_time_out_survives_replay_and_crash(db: Database) -> None:
    """R9: it was no checkpoint: a replay could take the other branch, and a crash started the whole time-out again."""
    db.clock.freeze()
    task = awaiting(db, timeout=10)
    db.clock.advance(timedelta(seconds=11))
    task = claim_one(db, lease=5)
    db.clock.advance(timedelta(seconds=6))  # the worker dies before it asks again
    task = claim_one(db)

    assert db.one(AWAIT, task.task_id, task.run_id, 10, task.epoch) == (False, None)
    db.one(EMIT)
    assert db.one(AWAIT, task.task_id, task.run_id, 10, task.epoch) == (False, None)
    assert db.one("select status from absurd.checkpoint") == "timed_out"
    assert db.verify() == []


# the end of tasks


def test_r7_a_broadcast_does_not_deadlock_with_cancellation_rules(db: Database) -> None:
    """R7: broadcast emit against claim's cancel loop, 14 deadlocks in 25 rounds in absurd."""
    db.clock.freeze()
    db.one(
        "select count(*) from absurd.spawn_tasks('q', %s)",
        json.dumps([{"task_name": "t", "options": {"cancellation": {"max_duration": 10}}}] * 30),
    )
    tasks = claim(db, qty=30, lease=600)
    sync(db, [op("await", t, step="s", event="e") for t in tasks])
    db.clock.advance(timedelta(seconds=11))
    with Session(db) as holder, Session(db) as emitter, Session(db) as worker:
        before = emitter.deadlocks()
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", tasks[15].task_id)
        emission = emitter.start(EMIT)
        emitter.waits_for(holder)  # it holds the event and half of the tasks
        assert worker.run("select * from absurd.claim_task('q', 'w', 30, 1)") == []  # cancels the rest, waits for nobody
        holder.run("rollback")

        assert sqlstate(emission) is None
        assert emitter.deadlocks() == before
    claim(db, qty=1)
    assert db.verify() == []


@pytest.mark.parametrize("call", ["complete", "fail", "checkpoint"])
@pytest.mark.parametrize("cancel_first", [True, False])
def test_cancel_against_the_workers_last_word(db: Database, call: str, cancel_first: bool) -> None:
    """One terminal state, and the loser is told: AB001 for a worker that came too late."""
    task = running(db)
    words = {"complete": (COMPLETE, task.run_id, task.epoch), "fail": (FAIL, task.run_id, task.epoch)}
    word = words.get(call, (SAVE, task.task_id, task.run_id, task.epoch))
    with Session(db) as one, Session(db) as two:
        one.run("begin")
        one.run(*((CANCEL, task.task_id) if cancel_first else word))
        second = two.start(*(word if cancel_first else (CANCEL, task.task_id)))
        two.waits_for(one)
        one.run("commit")

        assert sqlstate(second) == ("AB001" if cancel_first else None)
    ended = "cancelled" if cancel_first or call == "checkpoint" else {"complete": "completed", "fail": "failed"}[call]
    assert state(db, task.task_id) == ended
    assert db.one("select count(*) from absurd.absurd_event_log where to_state in ('completed', 'failed', 'cancelled')") == 1
    assert db.verify() == []


def family(db: Database, children: int) -> tuple[Task, list[Task]]:
    """A parent that awaits its last child, and its children, all running."""
    parent = running(db)
    for _ in range(children):
        spawn(db, parent_task_id=str(parent.task_id))
    return parent, claim(db, qty=children)


@pytest.mark.parametrize("order", list(permutations([0, 1])))
def test_the_last_two_children_end_at_once_and_the_parent_wakes(db: Database, order: tuple[int, int]) -> None:
    """No deadlock: who finds the parent held leaves its wake-up to the next claim."""
    parent, children = family(db, 2)
    sync(db, [op("await_task", parent, step="s", task=children[order[0]].task_id)])
    one_child, other_child = children
    with Session(db) as one, Session(db) as two:
        before = one.deadlocks()
        one.run("begin")
        two.run("begin")
        one.run(COMPLETE, one_child.run_id, one_child.epoch)
        two.run(COMPLETE, other_child.run_id, other_child.epoch)
        one.run("commit")
        two.run("commit")
        assert one.deadlocks() == before

    assert claim_one(db).task_id == parent.task_id
    assert db.verify() == []


def test_two_children_of_two_waits_on_one_held_parent_leave_the_wake_up_to_a_claim(db: Database) -> None:
    parent, (child,) = family(db, 1)
    sync(db, [op("await_task", parent, step="s", task=child.task_id)])
    with Session(db) as holder:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", parent.task_id)
        db.one(COMPLETE, child.run_id, child.epoch)
        assert state(db, parent.task_id) == "sleeping"
        holder.run("rollback")

    assert db.one("select kind from absurd.follow_up") == "wake"
    assert claim_one(db).task_id == parent.task_id
    assert db.verify() == []


def test_a_follow_up_whose_row_is_still_held_is_kept(db: Database) -> None:
    parent, (child,) = family(db, 1)
    sync(db, [op("await_task", parent, step="s", task=child.task_id)])
    with Session(db) as holder:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", parent.task_id)
        db.one(COMPLETE, child.run_id, child.epoch)
        assert [claim(db) for _ in range(3)] == [[], [], []]
        holder.run("rollback")

    assert claim_one(db).task_id == parent.task_id


def test_a_child_held_while_its_parent_is_cancelled_is_cancelled_by_the_next_claim(db: Database) -> None:
    parent, (child,) = family(db, 1)
    with Session(db) as holder:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", child.task_id)
        db.conn.execute("update absurd.task set state = 'cancelled', error = '1' where task_id = %s", (parent.task_id,))
        assert state(db, child.task_id) == "running"
        holder.run("rollback")
    claim(db)

    assert state(db, child.task_id) == "cancelled"
    assert db.verify() == []


def test_r7_cancel_against_the_completion_of_a_new_run_does_not_deadlock(db: Database) -> None:
    """R7: cancel took task and run in another order than complete."""
    parent, children = family(db, 3)
    with Session(db) as worker, Session(db) as operator:
        before = worker.deadlocks()
        worker.run("begin")
        worker.run(COMPLETE, children[1].run_id, children[1].epoch)
        cancel = operator.start(CANCEL, parent.task_id)
        operator.waits_for(worker)
        assert sqlstate(worker.start(SAVE, children[1].task_id, children[1].run_id, children[1].epoch)) is not None
        worker.run("rollback")
        assert sqlstate(cancel) is None
        assert worker.deadlocks() == before

    assert {state(db, t.task_id) for t in [parent, *children]} == {"cancelled"}
    assert log(db, parent.task_id)[-1] == "task.cancelled"
    assert refused(db, COMPLETE, children[1].run_id, children[1].epoch) == "AB001"
    assert db.verify() == []
