"""worker_sync tells a worker that got nothing how long there will be nothing, so that it can sleep exactly until then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, Session, claim_one, make_queue, op, running, spawn, sync

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)
    db.clock.set(START)


def poll(db: Database, qty: int = 5) -> dict[str, Any]:
    return sync(db, [], claim={"qty": qty, "lease": 30})


def next_due(answer: dict[str, Any]) -> float | None:
    """Seconds after the start, as the answer has it."""
    moment = answer["next_due"]
    return None if moment is None else (datetime.fromisoformat(moment) - START).total_seconds()


def test_it_is_the_earliest_moment_at_which_a_task_of_the_queue_becomes_due(db: Database) -> None:
    make_queue(db, "other")
    spawn(db, "other", delay_seconds=1)
    for priority, delay in ((0, 60), (-5, 90), (7, 30), (7, 45)):
        spawn(db, priority=priority, delay_seconds=delay)

    assert next_due(poll(db)) == 30
    assert next_due(sync(db, [], "other", claim={"qty": 1, "lease": 30})) == 1


def test_a_worker_that_sleeps_until_then_finds_the_task(db: Database) -> None:
    task = running(db)
    sync(db, [op("sleep", task, seconds=60)])

    assert next_due(poll(db)) == 60
    db.clock.advance(timedelta(seconds=60))
    answer = poll(db)

    assert [c["task_id"] for c in answer["claims"]] == [str(task.task_id)]


@pytest.mark.parametrize("kind", ["sleep", "put_back", "fail"])
def test_what_an_operation_of_the_same_call_put_off_counts(db: Database, kind: str) -> None:
    task = running(db)
    fields = {"reason": {"name": "E"}, "retry_in": 20} if kind == "fail" else {"seconds": 20}

    assert next_due(sync(db, [op(kind, task, **fields)], claim={"qty": 1, "lease": 30})) == 20


def test_a_wait_counts_with_its_time_out_only(db: Database) -> None:
    task = running(db)
    sync(db, [op("await", task, step="s", event="e")])
    assert next_due(poll(db)) is None

    task = running(db)
    sync(db, [op("await", task, step="s", event="e", timeout=40)])
    assert next_due(poll(db)) == 40


def test_there_is_none_when_nothing_will_become_due(db: Database) -> None:
    assert next_due(poll(db)) is None
    running(db)
    assert next_due(poll(db)) is None


def test_it_is_not_looked_for_by_a_call_that_got_work_or_asked_for_none(db: Database) -> None:
    spawn(db)
    spawn(db, delay_seconds=60)

    assert next_due(sync(db, [])) is None
    assert next_due(poll(db)) is None
    assert next_due(poll(db)) == 60


def test_a_task_that_another_session_holds_is_no_reason_to_sleep_longer(db: Database) -> None:
    """It is due already: whoever holds it may let go at any time, and the one after it has its own time."""
    spawn(db)
    spawn(db, delay_seconds=60)
    with Session(db) as other:
        other.run("begin")
        other.run("select from absurd.task where state = 'pending' for update")
        assert next_due(poll(db)) == 60
        other.run("rollback")
    claim_one(db)


def test_it_costs_a_few_pages_however_many_tasks_wait(db: Database) -> None:
    """In a session whose plans were made while the table was small, and among 100,000 tasks of three priorities."""
    db.conn.execute("alter table absurd.task disable trigger user")  # a hundred thousand rows are wanted, not their log
    worker = db.connect()
    due = "absurd._next_due(%s, absurd.current_time(), null)"
    for _ in range(8):  # long enough for a generic plan
        worker.execute(f"select {due}".encode(), (Q,))
    db.conn.execute(
        "insert into absurd.task (task_id, workflow_run_id, queue_name, task_name, state, priority, params, available_at)"
        " select i.id, i.id, %s, 't', 'sleeping', n %% 3, '1', absurd.current_time() + (60 + n) * interval '1 second'"
        " from generate_series(0, 99999) n, lateral (select (lpad(to_hex(n), 26, '0') || '000000')::uuid as id) i",
        (Q,),
    )
    first = worker.execute(f"select {due}".encode(), (Q,)).fetchone()  # past what every session reads once
    assert first == (START + timedelta(seconds=60),)

    plan = worker.execute(f"explain (analyze, buffers, timing off, format json) select {due}".encode(), (Q,)).fetchone()

    assert plan is not None
    top = plan[0][0]["Plan"]
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 60
