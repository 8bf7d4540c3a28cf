"""Under a snapshot that somebody holds open, a worker's look begins where tasks are left, not at the dead entries before them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from fixtures.database import Database
from races.schedule import Q, Session, claim, claim_one, make_queue, op, refused, running, spawn, sync
from tollway import Context, Tollway
from worker.harness import eventually, working

REFUSED = """select absurd.worker_sync(jsonb_build_object(
  'queue', 'q', 'worker', 'w', 'claim', jsonb_build_object('qty', 1, 'lease', 30, 'marks', %s::jsonb)))"""


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def marks(db: Database, before: Any = None) -> Any:
    """What a worker is told after a look at the head that took a second."""
    return db.one("select absurd._marks('q', %s, null, '{}', clock_timestamp() - interval '1 second')", before and Jsonb(before))


def look(db: Database, told: Any, qty: int = 1) -> list[str]:
    answer = sync(db, [], claim={"qty": qty, "lease": 30, "marks": told})
    return [c["task_id"] for c in answer["claims"]]


def valid(db: Database, told: Any) -> Any:
    """The same marks, valid for the second from now on: tests are slower than workers."""
    told["until"] = db.one("select to_jsonb(clock_timestamp() + interval '0.9 second')")
    return told


def entries(db: Database, call: str, *params: Any) -> int:
    """How many entries of the index of what may run a call reads."""
    read = "select pg_stat_get_xact_tuples_returned('absurd.task_ready'::regclass)"
    with db.conn.transaction():
        before = db.one(read)
        db.rows(call, *params)
        return int(db.one(read)) - int(before)


def test_dead_entries_before_a_mark_are_not_read(db: Database) -> None:
    db.clock.freeze()
    with Session(db) as holder:
        holder.run("begin isolation level repeatable read")
        holder.run("select count(*) from absurd.task")
        db.rows("select absurd.spawn_task('q', 'work', '1') from generate_series(1, 300)")
        done = claim(db, qty=300)
        sync(db, [op("complete", task, result=1) for task in done])
        db.clock.advance(timedelta(seconds=60))
        left = spawn(db)
        runnable = "select absurd._runnable('q', 1, absurd.current_time(), %s)"
        told = Jsonb(marks(db)["from"])

        assert entries(db, runnable, None) >= 300, "control: they are in the way of a look from the head"
        assert entries(db, runnable, told) <= 2
        assert db.one(runnable, told) == [left]
        holder.run("commit")


def test_marks_stand_at_the_first_task_left_or_five_seconds_back(db: Database) -> None:
    db.clock.freeze()
    spawn(db)
    db.clock.advance(timedelta(seconds=60))
    spawn(db, priority=3, delay_seconds=50)

    told = marks(db)["from"]

    assert db.one("select %s::timestamptz = min(available_at) from absurd.task where priority = 0", told["0"])
    assert db.one("select %s::timestamptz = absurd.current_time() - interval '5 seconds'", told["3"])


def test_a_priority_that_was_in_use_keeps_its_mark(db: Database) -> None:
    task = running(db, priority=7)
    sync(db, [op("complete", task, result=1)])

    assert set(marks(db)["from"]) == {"0"}
    assert set(marks(db, {"from": {"7": "2020-01-01T00:00:00Z"}})["from"]) == {"0", "7"}
    assert set(db.one("select absurd._marks('q', null, null, %s, clock_timestamp() - interval '1 s')", [task.task_id])["from"]) == {
        "0",
        "7",
    }


def test_a_quick_look_is_not_worth_any_marks(db: Database) -> None:
    assert db.one("select absurd._marks('q', null, null, '{}', clock_timestamp() + interval '1 hour')") is None


def test_an_urgent_task_is_found_at_once_whatever_the_marks(db: Database) -> None:
    told = marks(db)
    later, urgent = spawn(db), spawn(db, priority=-9)

    assert look(db, valid(db, told), 2) == [str(urgent), str(later)]


def test_what_came_to_lie_before_a_mark_waits_until_the_marks_are_over(db: Database) -> None:
    db.clock.freeze()
    late = spawn(db)
    db.clock.advance(timedelta(minutes=1))
    told = {"from": {"0": db.one("select to_jsonb(absurd.current_time())")}}

    assert look(db, valid(db, told)) == []
    told["until"] = db.one("select to_jsonb(clock_timestamp())")
    assert look(db, told) == [str(late)]


def test_marks_do_not_outlive_a_clock_that_is_set_back(db: Database) -> None:
    task = spawn(db)
    told = {"from": {"0": "2100-01-01T00:00:00Z"}, "until": "2100-01-01T00:00:01Z"}

    assert look(db, told) == [str(task)]


def test_recovery_waits_for_the_next_look_at_the_head(db: Database) -> None:
    db.clock.freeze()
    spawn(db)
    lost = claim_one(db)
    db.clock.advance(timedelta(minutes=1))
    told = marks(db)

    assert look(db, valid(db, told)) == []
    assert look(db, None) == [str(lost.task_id)]


def test_the_answer_to_a_look_with_marks_keeps_their_end(db: Database) -> None:
    told = valid(db, marks(db))
    answer = sync(db, [], claim={"qty": 1, "lease": 30, "marks": told})

    assert answer["marks"]["until"] == told["until"]


@pytest.mark.parametrize(
    "told", ['"x"', "{}", '{"from": 1}', '{"from": {"x": "2020-01-01T00:00:00Z"}}', '{"from": {"0": "infinity"}}', '{"from": {"0": 1}}']
)
def test_marks_that_no_answer_has_are_refused(db: Database, told: str) -> None:
    assert refused(db, REFUSED, told) == "TW301"


def test_a_worker_sends_what_it_was_told(db: Database) -> None:
    """The function that reads them is replaced by one that notes what it was given; and each look is one that took long."""
    db.conn.execute("create table public.seen (marks jsonb); grant insert on public.seen to public")
    db.conn.execute(
        "create or replace function absurd._valid_marks(p_marks jsonb, p_now timestamptz) returns jsonb language plpgsql as"
        " $$ begin insert into public.seen values (p_marks); return null; end $$"
    )
    db.conn.execute(
        "create or replace function absurd._marks(p_queue_name text, p_before jsonb, p_from jsonb, p_taken uuid[], p_began timestamptz)"
        """ returns jsonb language sql as $$ select '{"from": {"0": "2020-01-01T00:00:00Z"}}'::jsonb $$"""
    )
    app = Tollway(db.dsn, queue=Q)

    @app.workflow(name="work")
    async def work(ctx: Context) -> None: ...

    async def scenario() -> None:
        async def told() -> bool:
            return {"from": {"0": "2020-01-01T00:00:00Z"}} in [row[0] for row in db.rows("select marks from public.seen")]

        async with working(app, queue=Q):
            await eventually(told)

    asyncio.run(scenario())
