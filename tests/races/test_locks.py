"""Locks whose want no other meeting shows: who comes second waits, and finds what the first one left."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from fixtures.database import Database
from races.schedule import Q, Session, claim, make_queue, op, running, spawn, sqlstate, state, statuses, sync

DROP = "select absurd.drop_queue('q')"
PAUSE = """
create function pause() returns event_trigger language plpgsql as $$
begin
  if current_setting('application_name') = 'paused' then
    perform pg_advisory_xact_lock_shared(1);
  end if;
end $$;
create event trigger pause on ddl_command_start execute function pause();
"""


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def test_two_policies_at_once_are_both_kept(db: Database) -> None:
    with Session(db) as one, Session(db) as two:
        one.run("begin")
        one.run("select absurd.set_queue_policy('q', '{\"cleanup_limit\": 7}')")
        second = two.start("select absurd.set_queue_policy('q', '{\"cleanup_ttl\": \"9 days\"}')")
        two.waits_for(one)
        one.run("commit")
        assert sqlstate(second) is None

    assert db.one("select cleanup_limit, cleanup_ttl::text from absurd.queues") == (7, "9 days")


def test_two_drops_at_once_are_one(db: Database) -> None:
    with Session(db) as one, Session(db) as two:
        one.run("begin")
        one.run(DROP)
        second = two.start(DROP)
        two.waits_for(one)
        one.run("commit")
        assert sqlstate(second) is None

    assert db.one("select count(*) from absurd.absurd_event_log where event = 'queue.dropped'") == 1
    assert db.verify() == []


def test_a_queue_is_not_dropped_between_its_creation_and_its_views(db: Database) -> None:
    """The views of a queue are missing. Their creation stops before the first; the drop waits for all, and takes all along."""
    db.conn.execute("select absurd._drop_queue_views('q')")
    db.conn.execute(PAUSE)
    with Session(db) as holder, Session(db) as creator, Session(db) as operator:
        holder.run("select pg_advisory_lock(1)")
        creator.run("set application_name = 'paused'")
        creating = creator.start("select absurd.create_queue('q')")
        creator.waits_for(holder)
        dropping = operator.start(DROP)
        operator.waits_for(creator)
        holder.run("select pg_advisory_unlock(1)")
        assert (sqlstate(creating), sqlstate(dropping)) == (None, None)

    assert db.rows("select relname from pg_class where relnamespace = 'absurd'::regnamespace and relname ~ '^[trcew]_'") == []
    assert db.verify() == []


def test_repair_waits_for_a_move_and_mends_what_it_left(db: Database) -> None:
    task = running(db)
    with db.conn.transaction():
        db.conn.execute("alter table absurd.workflow_run disable trigger user")
        db.conn.execute("update absurd.workflow_run set attempts = 9")
        for (name,) in db.rows("select tgname from pg_trigger where tgrelid = 'absurd.workflow_run'::regclass and not tgisinternal"):
            db.conn.execute(f"alter table absurd.workflow_run enable always trigger {name}")
    with Session(db) as worker, Session(db) as operator:
        worker.run("begin")
        worker.run("update absurd.task set claim_expires_at = claim_expires_at + interval '1 hour'")
        repairing = operator.start("select * from absurd.repair()")
        operator.waits_for(worker)
        worker.run("select absurd.complete_run('q', %s, '1', %s)", task.run_id, task.epoch)
        worker.run("commit")
        assert sqlstate(repairing) is None

    assert db.one("select status, attempts from absurd.workflow_run") == ("completed", 1)
    assert db.verify() == []


def test_an_emission_and_a_transaction_step_that_emits_the_same_do_not_deadlock(db: Database) -> None:
    """Both lock the event before its waiters: the second one waits at the event, and holds no waiter meanwhile."""
    emitter = running(db)
    waiters = sorted((running(db) for _ in range(2)), key=lambda t: str(t.task_id))
    sync(db, [op("await", t, step="s", event="e") for t in waiters])
    request = json.dumps({"queue": Q, "strict": True, "ops": [{"n": 0, **op("emit", emitter, event="e", payload=2)}]}, default=str)
    with Session(db) as holder, Session(db) as client, Session(db) as worker:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", waiters[1].task_id)
        emission = client.start("select absurd.emit_event('q', 'e', '1')")
        client.waits_for(holder)
        step = worker.start("select absurd.worker_sync(%s)", request)
        worker.waits_for(client)
        holder.run("rollback")
        assert (sqlstate(emission), sqlstate(step)) == (None, None)
        assert worker.deadlocks() == 0

    assert db.one("select payload from absurd.event") == 1
    assert {state(db, t.task_id) for t in waiters} == {"pending"}
    assert db.verify() == []


def test_an_emission_waits_for_a_waiter_that_somebody_holds(db: Database) -> None:
    """It is woken by the emission itself, not by a later claim."""
    task = running(db)
    sync(db, [op("await", task, step="s", event="e")])
    with Session(db) as holder, Session(db) as client:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", task.task_id)
        emission = client.start("select absurd.emit_event('q', 'e', '1')")
        client.waits_for(holder)
        holder.run("rollback")
        assert sqlstate(emission) is None

    assert state(db, task.task_id) == "pending"
    assert db.rows("select from absurd.follow_up") == []


def test_a_cancellation_waits_for_a_child_that_somebody_holds(db: Database) -> None:
    """The whole tree is locked before any of it moves: nothing is left to a later claim."""
    parent = running(db)
    child = spawn(db, parent_task_id=str(parent.task_id))
    with Session(db) as holder, Session(db) as operator:
        holder.run("begin")
        holder.run("select from absurd.task where task_id = %s for update", child)
        cancel = operator.start("select absurd.cancel_task('q', %s)", parent.task_id)
        operator.waits_for(holder)
        holder.run("rollback")
        assert sqlstate(cancel) is None

    assert state(db, child) == "cancelled"
    assert db.rows("select from absurd.follow_up") == []
    assert db.verify() == []


@pytest.mark.parametrize(("end", "code", "children"), [("rollback", None, 1), ("commit", "42P01", 0)])
def test_a_transaction_step_waits_for_the_drop_of_its_childs_queue(db: Database, end: str, code: str | None, children: int) -> None:
    make_queue(db, "kids")
    parent = running(db)
    ops = [{"n": 0, **op("spawn", parent, step="c", task_name="kid", queue="kids")}]
    with Session(db) as operator, Session(db) as worker:
        operator.run("begin")
        operator.run("select absurd.drop_queue('kids')")
        step = worker.start("select absurd.worker_sync(%s)", json.dumps({"queue": Q, "strict": True, "ops": ops}, default=str))
        worker.waits_for(operator)
        operator.run(end)
        assert sqlstate(step) == code

    assert db.one("select count(*) from absurd.task where parent_task_id = %s", parent.task_id) == children
    assert db.verify() == []


def test_two_claims_at_once_take_different_tasks_and_do_not_wait(db: Database) -> None:
    first, second = spawn(db), spawn(db)
    with Session(db) as one:
        one.run("begin")
        assert one.run("select task_id from absurd.claim_task('q', 'w1')") == [(first,)]

        assert [t.task_id for t in claim(db, qty=2, worker="w2")] == [second]
        one.run("commit")

    assert db.rows("select claimed_by from absurd.task order by claimed_by") == [("w1",), ("w2",)]
    assert db.verify() == []


def test_a_step_of_a_task_that_is_being_taken_over_is_answered_busy(db: Database) -> None:
    """The shortest way through worker_sync locks, too: nothing is recorded beside the successor's claim."""
    task = running(db)
    with Session(db) as heir:
        heir.run("begin")
        heir.run("select * from absurd.release_claims('q', %s)", json.dumps([{"task_id": str(task.task_id), "epoch": task.epoch}]))
        assert heir.run("select task_id from absurd.claim_task('q', 'w2')") == [(task.task_id,)]

        assert statuses(sync(db, [op("checkpoint", task, step="s", state="late")])) == ["busy"]
        heir.run("commit")

    assert statuses(sync(db, [op("checkpoint", task, step="s", state="late")])) == ["stale"]
    assert db.rows("select from absurd.checkpoint") == []
    assert db.verify() == []


def test_event_clean_up_passes_by_what_an_await_reads(db: Database) -> None:
    """It neither waits for the await nor takes the event from under it."""
    for event in ("read", "free"):
        db.rows("select absurd.emit_event('q', %s, '1')", event)
    task = running(db)
    db.clock.freeze()
    db.clock.advance(timedelta(days=60))
    with Session(db) as worker:
        worker.run("begin")
        worker.run("select * from absurd.await_event('q', %s, %s, 's', 'read', null, %s)", task.task_id, task.run_id, task.epoch)

        assert db.one("select absurd.cleanup_events('q', 0)") == 1
        worker.run("commit")

    assert db.rows("select event_name from absurd.event") == [("read",)]
    assert db.verify() == []
