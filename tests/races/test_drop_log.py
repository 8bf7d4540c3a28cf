"""drop_log_before meets who writes and who reads the log: no row is lost, no move fails, and who reads for long is not waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.database import Database
from races.schedule import Session, make_queue, running, spawn, sqlstate

T0 = datetime(2030, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)
END = T0 + WEEK - timedelta(days=1)
DROP = f"select partition_name, rows_dropped from absurd.drop_log_before('{END}')"
DEFAULT = "absurd_event_log_default"


@pytest.fixture(autouse=True)
def two_weeks(db: Database) -> None:
    db.conn.execute("set timezone = 'UTC'")
    db.clock.set(T0)
    make_queue(db)
    db.conn.execute("select absurd.ensure_partitions()")


def partition(db: Database, task_id: object, seq: int) -> str:
    name = "select tableoid::regclass::text from absurd.absurd_event_log where task_id = %s and seq = %s"
    return str(db.one(name, task_id, seq)).removeprefix("absurd.")


def test_a_move_that_is_still_to_be_committed_into_what_goes_is_waited_for_and_in_the_floor(db: Database) -> None:
    task = running(db)
    with Session(db) as worker, Session(db) as operator:
        worker.run("begin")
        worker.run("select absurd.complete_run('q', %s, '1', %s)", task.run_id, task.epoch)
        db.clock.advance(WEEK)
        drop = operator.start(DROP)
        operator.waits_for(worker)
        worker.run("commit")
        assert sqlstate(drop) is None

    assert db.one("select seq, state, ends from absurd.log_floor where task_id = %s", task.task_id) == (3, "completed", 1)
    assert db.verify() == []


def test_a_move_that_is_rolled_back_is_not_in_the_floor(db: Database) -> None:
    task = running(db)
    with Session(db) as worker, Session(db) as operator:
        worker.run("begin")
        worker.run("select absurd.complete_run('q', %s, '1', %s)", task.run_id, task.epoch)
        db.clock.advance(WEEK)
        drop = operator.start(DROP)
        operator.waits_for(worker)
        worker.run("rollback")
        assert sqlstate(drop) is None

    assert db.one("select seq, state from absurd.log_floor where task_id = %s", task.task_id) == (2, "running")
    assert db.verify() == []


def test_moves_wait_for_a_drop_that_is_at_work_and_then_go_where_they_belong(db: Database) -> None:
    """One is of the week that goes: its clock is a week late. There is no partition for it any more, and it is kept all the same."""
    late, task = running(db), running(db)
    db.clock.advance(WEEK)
    with Session(db) as operator, Session(db) as worker, Session(db) as other:
        operator.run("begin")
        operator.run(DROP)
        moving = worker.start("select absurd.complete_run('q', %s, '1', %s)", task.run_id, task.epoch)
        worker.waits_for(operator)
        db.clock.advance(-WEEK)
        too_late = other.start("select absurd.complete_run('q', %s, '1', %s)", late.run_id, late.epoch)
        other.waits_for(operator)
        operator.run("commit")
        assert (sqlstate(moving), sqlstate(too_late)) == (None, None)
    db.clock.advance(WEEK)

    assert {partition(db, t.task_id, 3) for t in (late, task)} <= {DEFAULT, "absurd_event_log_2030w02"}
    assert partition(db, late.task_id, 3) == DEFAULT
    assert db.verify() == []


def test_a_drop_that_is_rolled_back_lets_the_waiting_moves_through(db: Database) -> None:
    task = running(db)
    with Session(db) as operator, Session(db) as worker:
        db.clock.advance(WEEK)
        operator.run("begin")
        operator.run(DROP)
        moving = worker.start("select absurd.complete_run('q', %s, '1', %s)", task.run_id, task.epoch)
        worker.waits_for(operator)
        operator.run("rollback")
        assert sqlstate(moving) is None

    assert [partition(db, task.task_id, n) for n in (1, 2, 3)] == ["absurd_event_log_2030w01"] * 2 + ["absurd_event_log_2030w02"]
    assert db.verify() == []


def test_moves_go_on_while_the_floors_are_written(db: Database) -> None:
    """The long part holds only what goes: a move of this week, and who reads the log, wait for nothing."""
    task = running(db)
    db.clock.advance(WEEK)
    with Session(db) as holder, Session(db) as operator, Session(db) as worker:
        holder.run("begin")
        holder.run("lock table absurd.log_floor in access exclusive mode")
        drop = operator.start(DROP)
        operator.waits_for(holder)
        worker.run("set lock_timeout = '50ms'")
        worker.run("select absurd.complete_run('q', %s, '1', %s)", task.run_id, task.epoch)
        worker.run("select count(*) from absurd.absurd_event_log")
        holder.run("commit")
        assert sqlstate(drop) is None

    assert db.one("select seq from absurd.log_floor where task_id = %s", task.task_id) == 2
    assert partition(db, task.task_id, 3) == "absurd_event_log_2030w02"
    assert db.verify() == []


@pytest.mark.parametrize("holds", ["select count(*) from absurd.absurd_event_log", "select absurd.complete_run('q', '{0}', '1', {1})"])
def test_who_reads_or_writes_for_long_is_not_waited_for_and_nothing_is_changed(db: Database, holds: str) -> None:
    task = running(db)
    db.clock.advance(WEEK)
    before = db.rows("select * from absurd.log_partition order by 1")
    with Session(db) as holder, Session(db) as operator:
        holder.run("begin")
        holder.run(holds.format(task.run_id, task.epoch))
        assert sqlstate(operator.start(DROP)) == "55P03"
        assert db.rows("select * from absurd.log_partition order by 1") == before
        assert db.rows("select from absurd.log_floor") == []
        holder.run("commit")
        assert sqlstate(operator.start(DROP)) is None

    assert db.verify() == []


def test_two_drops_at_once_are_one(db: Database) -> None:
    running(db)
    db.clock.advance(WEEK)
    with Session(db) as one, Session(db) as two:
        one.run("begin")
        one.run(DROP)
        second = two.start(DROP)
        two.waits_for(one)
        one.run("commit")
        assert second.result() == []

    assert db.one("select count(*) from absurd.absurd_event_log where event = 'log.dropped'") == 1
    assert db.verify() == []


def test_two_who_make_partitions_at_once_make_them_once(db: Database) -> None:
    db.clock.advance(WEEK)
    with Session(db) as one, Session(db) as two:
        one.run("begin")
        one.run("select absurd.ensure_partitions()")
        second = two.start("select absurd.ensure_partitions()")
        two.waits_for(one)
        one.run("commit")
        assert sqlstate(second) is None

    assert db.one("select count(*) from absurd._log_partitions() where from_at = %s", END + 4 * WEEK) == 1
    assert db.verify() == []


def test_who_finds_all_partitions_there_waits_for_nobody(db: Database) -> None:
    with Session(db) as holder, Session(db) as cron:
        holder.run("begin")
        holder.run("lock table absurd.log_partition in share row exclusive mode")
        cron.run("set lock_timeout = '50ms'")
        cron.run("select absurd.ensure_partitions()")
        holder.run("rollback")


def test_partitions_are_made_beside_moves_that_are_not_committed(db: Database) -> None:
    with Session(db) as worker, Session(db) as cron:
        worker.run("begin")
        worker.run("select absurd.spawn_task('q', 'work', '1')")
        db.clock.advance(WEEK)
        cron.run("set lock_timeout = '50ms'")
        cron.run("select absurd.ensure_partitions()")
        worker.run("select absurd.spawn_task('q', 'work', '1')")
        worker.run("commit")

    assert db.one("select count(*) from absurd._log_partitions() where from_at = %s", END + 4 * WEEK) == 1
    assert db.verify() == []


def test_the_default_partition_is_not_replaced_under_who_writes_it(db: Database) -> None:
    db.clock.advance(20 * WEEK)
    first = spawn(db)
    with Session(db) as worker, Session(db) as operator:
        worker.run("begin")
        worker.run("select absurd.spawn_task('q', 'work', '1')")
        db.clock.advance(WEEK)
        drop = operator.start(f"select partition_name, rows_dropped from absurd.drop_log_before('{T0 + 21 * WEEK}')")
        operator.waits_for(worker)
        worker.run("commit")
        assert (DEFAULT, 2) in drop.result()

    assert db.one("select count(*) from absurd.log_floor") == 2
    assert db.one("select seq from absurd.log_floor where task_id = %s", first) == 1
    assert db.verify() == []
