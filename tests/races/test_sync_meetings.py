"""worker_sync meets itself, cancel, claim and a user's transaction: nobody is told a lie, nobody deadlocks, nothing is half done."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, Session, Task, claim, claim_one, make_queue, op, running, spawn, sqlstate, state, statuses, sync

SYNC = "select absurd.worker_sync(%s)"
CANCEL = "select absurd.cancel_task('q', %s)"
CLAIM = "select task_id from absurd.claim_tasks('q', 'w2', 30, 1)"
BUSINESS = "insert into business values (1)"


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)
    db.conn.execute("create table business (n integer)")


def request(*ops: dict[str, Any], strict: bool = False) -> str:
    return json.dumps({"queue": Q, "worker": "w1", "strict": strict, "ops": [{"n": n, **o} for n, o in enumerate(ops)]}, default=str)


def strict(*ops: dict[str, Any]) -> str:
    return request(*ops, strict=True)


def spawn_op(task: Task, step: str = "child", **options: Any) -> dict[str, Any]:
    return op("spawn", task, step=step, task_name="kid", options=options)


def checkpoint(task: Task) -> dict[str, Any]:
    return op("checkpoint", task, step="reserve", state=1)


def children(db: Database) -> list[tuple[str]]:
    return db.rows("select state from absurd.task where parent_task_id is not null")


def business_rows(db: Database) -> int:
    return int(db.one("select count(*) from business"))


def test_a_spawn_that_commits_before_the_cancellation_of_its_parent_is_cancelled_with_it(db: Database) -> None:
    parent = running(db)
    with Session(db) as worker, Session(db) as operator:
        worker.run("begin")
        worker.run(SYNC, request(spawn_op(parent)))
        cancel = operator.start(CANCEL, parent.task_id)
        operator.waits_for(worker)
        worker.run("commit")
        assert sqlstate(cancel) is None

    assert children(db) == [("cancelled",)]
    assert db.verify() == []


def test_a_spawn_that_comes_during_the_cancellation_of_its_parent_makes_no_child(db: Database) -> None:
    parent, neighbour = running(db), running(db)
    ops = [spawn_op(parent), op("complete", parent, result=1), op("complete", neighbour, result=1)]
    with Session(db) as operator:
        operator.run("begin")
        operator.run(CANCEL, parent.task_id)
        assert statuses(sync(db, ops)) == ["busy", "skipped", "ok"]
        operator.run("commit")

    assert statuses(sync(db, ops)) == ["cancelled", "cancelled", "already"]
    assert children(db) == []
    assert db.verify() == []


def test_two_spawns_of_one_key_at_once_are_one_child_and_do_not_deadlock(db: Database) -> None:
    first, second = running(db), running(db)
    keys = ["a", "b"]
    with Session(db) as one, Session(db) as two:
        before = one.deadlocks()
        one.run("begin")
        one.run(SYNC, request(*(spawn_op(first, k, idempotency_key=k) for k in keys)))
        call = two.start(SYNC, request(*(spawn_op(second, k, idempotency_key=k) for k in reversed(keys))))
        two.waits_for(one)
        one.run("commit")
        assert sqlstate(call) is None
        assert one.deadlocks() == before

    assert len(children(db)) == 2
    named = db.rows("select checkpoint_name, count(distinct state ->> 'task_id'), count(*) from absurd.checkpoint group by 1 order by 1")
    assert named == [("a", 1, 2), ("b", 1, 2)]
    assert db.verify() == []


def test_two_spawns_that_wait_for_the_same_key_do_not_deadlock_over_the_other(db: Database) -> None:
    """Keys are taken in one order, whatever order the operations came in."""
    first, second = running(db), running(db)
    with Session(db) as holder, Session(db) as one, Session(db) as two:
        before = one.deadlocks()
        holder.run("begin")
        holder.run("select from absurd.spawn_task('q', 'kid', '1', %s)", '{"idempotency_key": "b"}')
        calls = []
        for session, task, keys in ((one, first, "abc"), (two, second, "cba")):
            calls.append(session.start(SYNC, request(*(spawn_op(task, k, idempotency_key=k) for k in keys))))
            session.waits_for(holder if session is one else one)
        holder.run("rollback")
        assert [sqlstate(call) for call in calls] == [None, None]
        assert one.deadlocks() == before

    assert len(children(db)) == 3


def test_a_transaction_step_that_meets_a_cancellation_takes_its_rows_back(db: Database) -> None:
    task = running(db)
    with Session(db) as operator, Session(db) as user:
        operator.run("begin")
        operator.run(CANCEL, task.task_id)
        user.run("begin")
        user.run(BUSINESS)
        call = user.start(SYNC, strict(spawn_op(task), checkpoint(task)))
        user.waits_for(operator)
        operator.run("commit")
        assert sqlstate(call) == "AB001"
        user.run("rollback")

    assert (business_rows(db), children(db), state(db, task.task_id)) == (0, [], "cancelled")
    assert db.rows("select from absurd.checkpoint") == []


def test_a_transaction_step_that_is_first_stays_and_its_child_goes_with_the_cancelled_parent(db: Database) -> None:
    task = running(db)
    with Session(db) as operator, Session(db) as user:
        user.run("begin")
        user.run(BUSINESS)
        user.run(SYNC, strict(spawn_op(task), checkpoint(task)))
        cancel = operator.start(CANCEL, task.task_id)
        operator.waits_for(user)
        user.run("commit")
        assert sqlstate(cancel) is None

    assert (business_rows(db), children(db), state(db, task.task_id)) == (1, [("cancelled",)], "cancelled")
    assert db.one("select count(*) from absurd.checkpoint") == 2
    assert db.verify() == []


def expired(db: Database) -> Task:
    """A running task whose lease is over and that nobody has claimed yet."""
    db.clock.freeze()
    spawn(db)
    task = claim_one(db, lease=5)
    db.clock.advance(timedelta(seconds=6))
    return task


def test_the_old_holder_of_a_lease_that_is_being_taken_over_takes_its_rows_back(db: Database) -> None:
    task = expired(db)
    with Session(db) as heir, Session(db) as user:
        heir.run("begin")
        assert heir.run(CLAIM) == [(task.task_id,)]
        user.run("begin")
        user.run(BUSINESS)
        call = user.start(SYNC, strict(spawn_op(task), checkpoint(task)))
        user.waits_for(heir)
        heir.run("commit")
        assert sqlstate(call) == "TW201"
        user.run("rollback")

    assert (business_rows(db), children(db), state(db, task.task_id)) == (0, [], "running")
    assert db.rows("select from absurd.checkpoint") == []
    assert db.verify() == []


def test_a_lease_is_not_taken_over_while_its_transaction_step_commits_and_the_heir_sees_the_step(db: Database) -> None:
    task = expired(db)
    with Session(db) as heir, Session(db) as user:
        user.run("begin")
        user.run(BUSINESS)
        user.run(SYNC, strict(checkpoint(task)))
        assert heir.run(CLAIM) == []  # it waits for nobody
        user.run("commit")

    (got,) = sync(db, [], claim={"qty": 1, "lease": 30})["claims"]
    assert (got["task_id"], got["attempt"], list(got["checkpoints"])) == (str(task.task_id), 2, ["reserve"])
    assert business_rows(db) == 1


def timed_out_waiter(db: Database) -> tuple[Task, Task]:
    """A task whose wait has just timed out and that nobody has claimed yet, and one that emits."""
    db.clock.freeze()
    waiter = running(db)
    emitter = running(db)
    sync(db, [op("await", waiter, step="s", event="e", timeout=5)])
    db.clock.advance(timedelta(seconds=6))
    return waiter, emitter


def await_again(db: Database) -> tuple[str, Any]:
    waiter = Task(*db.one("select task_id, task_id, claim_epoch, attempt from absurd.task where wake_event = 'e'"))
    (answer,) = sync(db, [op("await", waiter, step="s", event="e", timeout=5)])["ops"]
    return answer["outcome"], answer["payload"]


def test_a_waiter_that_is_being_claimed_while_a_transaction_step_emits_gets_the_event(db: Database) -> None:
    waiter, emitter = timed_out_waiter(db)
    with Session(db) as worker, Session(db) as user:
        worker.run("begin")
        assert worker.run(CLAIM) == [(waiter.task_id,)]
        user.run("begin")
        call = user.start(SYNC, strict(op("emit", emitter, event="e", payload=7), checkpoint(emitter)))
        user.waits_for(worker)
        worker.run("commit")
        assert sqlstate(call) is None
        user.run("commit")

    assert await_again(db) == ("event", 7)
    assert db.verify() == []


def test_a_waiter_is_not_claimed_while_a_transaction_step_wakes_it(db: Database) -> None:
    waiter, emitter = timed_out_waiter(db)
    with Session(db) as worker, Session(db) as user:
        user.run("begin")
        user.run(SYNC, strict(op("emit", emitter, event="e", payload=7), checkpoint(emitter)))
        assert worker.run(CLAIM) == []
        user.run("commit")

    assert [t.task_id for t in claim(db)] == [waiter.task_id]
    assert await_again(db) == ("event", 7)
    assert db.verify() == []


@pytest.mark.parametrize("new", [True, False])
def test_two_transaction_steps_that_emit_the_same_events_in_other_orders_do_not_deadlock(db: Database, new: bool) -> None:
    waiters = [] if new else [running(db) for _ in range(6)]
    sync(db, [op("await", t, step="s", event="ef"[n % 2]) for n, t in enumerate(waiters)])
    one_task, two_task = running(db), running(db)
    emits = [{"event": "e", "payload": 1}, {"event": "f", "payload": 1}]
    with Session(db) as one, Session(db) as two:
        before = one.deadlocks()
        one.run("begin")
        one.run(SYNC, strict(*(op("emit", one_task, **e) for e in emits), checkpoint(one_task)))
        call = two.start(SYNC, strict(*(op("emit", two_task, **e) for e in reversed(emits)), checkpoint(two_task)))
        two.waits_for(one)
        one.run("commit")
        assert sqlstate(call) is None
        assert one.deadlocks() == before

    assert db.one("select count(*) from absurd.absurd_event_log where event = 'event.emitted'") == 2
    assert {state(db, t.task_id) for t in waiters} <= {"pending"}
    assert db.verify() == []


def test_a_transaction_step_that_emits_does_not_deadlock_with_a_cancellation_of_its_waiters(db: Database) -> None:
    """Both take tasks by id; the step has taken the event first, which a cancellation does not want."""
    parent = running(db)
    sync(db, [spawn_op(parent, f"c{n}") for n in range(4)])
    waiters = claim(db, qty=4)
    sync(db, [op("await", t, step="s", event="e") for t in waiters])
    emitter = running(db)
    with Session(db) as holder, Session(db) as user, Session(db) as operator:
        before = user.deadlocks()
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", waiters[2].task_id)
        user.run("begin")
        emission = user.start(SYNC, strict(op("emit", emitter, event="e", payload=1), checkpoint(emitter)))
        user.waits_for(holder)
        cancel = operator.start(CANCEL, parent.task_id)
        operator.waits_for(user)
        holder.run("rollback")
        assert sqlstate(emission) is None
        user.run("commit")
        assert sqlstate(cancel) is None
        assert user.deadlocks() == before

    assert {state(db, t.task_id) for t in waiters} == {"cancelled"}
    assert db.verify() == []


def test_a_group_commit_meets_a_transaction_step_of_the_same_task(db: Database) -> None:
    """The step holds the row: the group commit's operations are busy, and happen when they are sent again."""
    task = running(db)
    ops = [op("checkpoint", task, step="other", state=2), op("complete", task, result=1)]
    with Session(db) as user:
        user.run("begin")
        user.run(BUSINESS)
        user.run(SYNC, strict(checkpoint(task)))
        assert statuses(sync(db, ops)) == ["busy", "skipped"]
        user.run("commit")

    assert statuses(sync(db, ops)) == ["ok", "ok"]
    assert db.one("select count(*) from absurd.checkpoint") == 2
    assert db.verify() == []
