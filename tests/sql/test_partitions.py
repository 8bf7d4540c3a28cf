"""absurd's functions for partitions: no queue has any of its own, so they check what they are given; the log's are made by one of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fixtures.database import Database
from sql.helpers import claim_one, expect_error, prepare, run, spawn

NAMED = ("ensure_partitions", "list_detach_candidates")


@pytest.fixture(autouse=True)
def queues(db: Database) -> None:
    prepare(db)
    db.conn.execute("select absurd.create_queue('p', 'partitioned')")


@pytest.mark.parametrize("function", NAMED)
def test_a_queue_that_is_not_there_is_refused(db: Database, function: str) -> None:
    with expect_error("P0001", 'Queue "nosuch" does not exist'):
        run(db, f"select * from absurd.{function}('nosuch')")


@pytest.mark.parametrize("argument", ["", "null", "'p'", "'q'"])
def test_there_is_nothing_to_make_twice_or_to_detach(db: Database, argument: str) -> None:
    db.conn.execute("select absurd.ensure_partitions()")
    before = db.rows("select oid, relname from pg_class where relnamespace = 'absurd'::regnamespace order by 1")

    assert db.one(f"select absurd.ensure_partitions({argument})") == ""
    assert run(db, f"select * from absurd.list_detach_candidates({argument})") == []
    assert db.rows("select oid, relname from pg_class where relnamespace = 'absurd'::regnamespace order by 1") == before


def test_a_queue_without_a_default_partition_takes_tasks_of_any_time(db: Database) -> None:
    db.conn.execute("""select absurd.set_queue_policy('p', '{"default_partition": "disabled", "detach_mode": "empty"}')""")
    task_id = spawn(db, queue="p")
    task = claim_one(db, queue="p")
    db.conn.execute("select absurd.complete_run('p', %s)", (task["run_id"],))

    assert db.rows("select task_id, state from absurd.t_p") == [(task_id, "completed")]


@pytest.mark.parametrize("name", ["null", "''", "'  '"])
def test_no_name_of_a_partition_is_refused(db: Database, name: str) -> None:
    with expect_error("P0001", "partition table must be provided"):
        run(db, f"select absurd.drop_detached_partition({name})")


def test_a_detached_partition_is_dropped_once(db: Database) -> None:
    db.conn.execute("create table absurd.t_p_627 (task_id uuid)")

    assert [db.one("select absurd.drop_detached_partition('t_p_627')") for _ in range(2)] == [True, False]
    assert db.one("select to_regclass('absurd.t_p_627')") is None


def test_an_attached_partition_stays(db: Database) -> None:
    db.conn.execute("create table absurd.t_old (id int) partition by range (id)")
    db.conn.execute("create table absurd.t_old_627 partition of absurd.t_old for values from (1) to (2)")

    assert db.one("select absurd.drop_detached_partition('t_old_627')") is False
    assert db.one("select to_regclass('absurd.t_old_627')") is not None


@pytest.mark.parametrize("name", ["task", "run", "queues", "absurd_event_log", "log_floor"])
def test_the_engines_own_tables_are_no_partitions(db: Database, name: str) -> None:
    with expect_error("TW304"):
        run(db, "select absurd.drop_detached_partition(%s)", name)

    assert db.one("select to_regclass('absurd.' || %s) is not null", name)


def test_a_queues_view_is_no_partition_either(db: Database) -> None:
    db.conn.execute("select absurd.create_queue('a_627')")

    assert db.one("select absurd.drop_detached_partition('t_a_627')") is False
    assert db.rows("select count(*) from absurd.t_a_627") == [(0,)]


@pytest.mark.parametrize(
    ("moment", "tag"),
    [
        (datetime(2024, 1, 1, tzinfo=UTC), "401"),
        (datetime(2021, 1, 1, tzinfo=UTC), "053"),
        (datetime(2024, 12, 31, tzinfo=UTC), "501"),
        (datetime(2026, 7, 5, 23, 59, 59, tzinfo=UTC), "627"),
        (datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "352"),
    ],
)
def test_a_week_has_a_tag_of_three_digits_in_utc(db: Database, moment: datetime, tag: str) -> None:
    db.conn.execute("set timezone = 'Pacific/Kiritimati'")

    assert db.one("select absurd.partition_week_tag(%s)", moment) == tag


@pytest.mark.parametrize(
    ("moment", "monday"),
    [
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
        (datetime(2024, 1, 7, 23, 59, 59, 999999, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
        (datetime(2024, 1, 8, 1, tzinfo=timezone(timedelta(hours=2))), datetime(2024, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_week_begins_on_monday_in_utc(db: Database, moment: datetime, monday: datetime) -> None:
    db.conn.execute("set timezone = 'Pacific/Kiritimati'")

    assert db.one("select absurd.week_bucket_utc(%s)", moment) == monday


def test_the_helpers_of_weeks_are_immutable_and_strict(db: Database) -> None:
    names = ["uuidv7_timestamp", "uuidv7_floor", "week_bucket_utc", "partition_week_tag"]

    assert db.rows("select distinct provolatile::text, proisstrict from pg_proc where proname = any (%s)", names) == [("i", True)]
