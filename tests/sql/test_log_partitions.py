"""The log's partitions: a week each, made ahead; no move fails for want of one; each is guarded as the log is; verify() knows them all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from fixtures.database import Database
from sql.helpers import T0, complete, expect_error, prepare, run, running, spawn
from tollway.schema import install

MONDAY = T0 - timedelta(days=1)  # 2029-12-31, the first day of 2030's week 1
WEEK = timedelta(weeks=1)
DEFAULT = "absurd_event_log_default"
PARTITIONS = "select partition_name, from_at, to_at from absurd._log_partitions() where from_at >= %s order by from_at"
OF_ROW = "select distinct tableoid::regclass::text from absurd.absurd_event_log where task_id = %s and seq = %s"


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    prepare(db)


def ensure(db: Database) -> None:
    db.conn.execute("select absurd.ensure_partitions()")


def partition_of(db: Database, task_id: Any, seq: int = 1) -> str:
    return str(db.one(OF_ROW, task_id, seq)).removeprefix("absurd.")


def as_owner(db: Database, *statements: str) -> None:
    for statement in statements:
        db.conn.execute(statement)


def found(db: Database) -> set[tuple[str, str]]:
    return {(name, detail.get("name") or detail.get("partition")) for name, _, _, detail in db.verify()}


def test_an_installation_has_this_week_and_the_next_four(db: Database) -> None:
    db.clock.set(None)
    weeks = db.rows("select absurd.week_bucket_utc(now()) + n * interval '168 hours' from generate_series(0, 4) n")

    made = db.rows("select from_at from absurd._log_partitions() where from_at is not null order by 1")

    assert made == weeks
    assert db.rows("select partition_name from absurd._log_partitions() where from_at is null") == [(DEFAULT,)]


def test_the_weeks_that_are_missing_are_made_and_only_those(db: Database) -> None:
    db.conn.execute("set timezone = 'America/New_York'")  # whose weeks are not all of 168 hours
    ensure(db)
    made = db.rows(PARTITIONS, MONDAY)
    ensure(db)
    again = db.rows(PARTITIONS, MONDAY)
    db.clock.advance(WEEK)
    ensure(db)

    assert made == [(f"absurd_event_log_2030w0{n + 1}", MONDAY + n * WEEK, MONDAY + (n + 1) * WEEK) for n in range(5)]
    assert again == made
    assert db.rows(PARTITIONS, MONDAY) == [*made, ("absurd_event_log_2030w06", MONDAY + 5 * WEEK, MONDAY + 6 * WEEK)]
    assert db.verify() == []


@pytest.mark.parametrize("lateness", [timedelta(0), WEEK - timedelta(days=1, microseconds=1), WEEK - timedelta(days=1)])
def test_a_move_goes_to_the_week_of_its_time(db: Database, lateness: timedelta) -> None:
    ensure(db)
    db.clock.set(T0 + lateness)
    task_id = spawn(db)

    assert partition_of(db, task_id) == f"absurd_event_log_2030w0{1 + (lateness >= WEEK - timedelta(days=1))}"


def test_a_move_of_a_week_that_was_not_made_is_kept(db: Database) -> None:
    first = spawn(db)
    ensure(db)
    second = spawn(db)
    db.clock.advance(WEEK)
    third = spawn(db)

    assert [partition_of(db, t) for t in (first, second, third)] == [DEFAULT, DEFAULT, "absurd_event_log_2030w02"]
    assert db.verify() == []


def test_the_partitions_are_made_by_a_worker_too(db: Database) -> None:
    db.conn.execute("set role tollway_worker")
    ensure(db)
    db.conn.execute("reset role")

    assert len(db.rows(PARTITIONS, MONDAY)) == 5
    assert db.rows("select distinct relowner::regrole::text from pg_class where relname like 'absurd_event_log_2030%%'") == [
        ("tollway_owner",)
    ]


def test_who_reads_the_log_for_long_is_not_waited_for_and_nothing_is_left_half_made(db: Database) -> None:
    with db.connect() as reader:
        reader.execute("begin")
        reader.execute("select count(*) from absurd.absurd_event_log")
        with expect_error("55P03"):
            ensure(db)
        assert db.rows(PARTITIONS, MONDAY) == []
        assert db.verify() == []
        reader.execute("rollback")
    ensure(db)

    assert len(db.rows(PARTITIONS, MONDAY)) == 5


def test_an_upgrade_keeps_the_partitions_and_guards_them_anew(db: Database) -> None:
    ensure(db)
    task_id = spawn(db)
    as_owner(db, "drop trigger zzz_no_change on absurd.absurd_event_log_2030w01")
    assert found(db) == {("trigger_is_there", "absurd_event_log_2030w01.zzz_no_change")}

    install(db.dsn)

    assert db.verify() == []
    assert partition_of(db, task_id) == "absurd_event_log_2030w01"


@pytest.mark.parametrize("replica", [False, True])
@pytest.mark.parametrize("table", ["absurd_event_log", DEFAULT, "absurd_event_log_2030w01", "absurd_event_log_2030w02"])
@pytest.mark.parametrize(
    ("statement", "code"),
    [("update absurd.{} set via = 'x'", "TW102"), ("delete from absurd.{}", "TW104"), ("truncate absurd.{}", "TW104")],
)
def test_a_partition_is_guarded_under_its_own_name(db: Database, table: str, statement: str, code: str, replica: bool) -> None:
    ensure(db)
    spawn(db)
    if replica:
        db.conn.execute("set session_replication_role = replica")
    with pytest.raises(psycopg.Error) as refused:
        db.conn.execute(statement.format(table))

    assert refused.value.sqlstate == code
    assert "absurd.drop_log_before" in str(refused.value.diag.message_hint)


GUARDS: dict[str, tuple[str, str]] = {
    "drop trigger zzz_no_truncate on absurd.{0}": ("trigger_is_there", "{0}.zzz_no_truncate"),
    "alter table absurd.{0} disable trigger zzz_no_change": ("trigger_is_enabled_always", "{0}.zzz_no_change"),
    "alter table absurd.{0} enable trigger zzz_no_truncate": ("trigger_is_enabled_always", "{0}.zzz_no_truncate"),
    "create trigger guest before insert on absurd.{0} for each statement execute function absurd._refuse_change(); "
    "alter table absurd.{0} enable always trigger guest": ("trigger_is_ours", "{0}.guest"),
    "create or replace trigger zzz_no_change before update on absurd.{0} for each statement execute function absurd._refuse_change(); "
    "alter table absurd.{0} enable always trigger zzz_no_change": ("trigger_is_unaltered", "{0}.zzz_no_change"),
    "drop index absurd.{0}_task": ("index_is_there", "{0}_task"),
    "create index guest on absurd.{0} (via)": ("index_is_ours", "guest"),
    "drop index absurd.{0}_task; create unique index {0}_task on absurd.{0} (seq, task_id) where task_id is not null":
        ("index_is_unaltered", "{0}_task"),
    "alter table absurd.{0} add constraint guest check (true)": ("constraint_is_ours", "{0}.guest"),
}  # fmt: skip


@pytest.mark.parametrize("statement", GUARDS)
@pytest.mark.parametrize("table", [DEFAULT, "absurd_event_log_2030w01", "absurd_event_log_2030w05"])
def test_what_is_altered_of_a_partition_is_found_by_its_name(db: Database, table: str, statement: str) -> None:
    ensure(db)
    name, about = GUARDS[statement]
    as_owner(db, "set search_path = absurd", *statement.format(table).split("; "), "reset search_path")

    assert found(db) == {(name, about.format(table))}


def test_a_guest_on_the_log_is_found_on_each_partition_too(db: Database) -> None:
    ensure(db)
    as_owner(db, "create trigger guest before insert on absurd.absurd_event_log for each row execute function absurd._refuse_change()")

    names = {about.removesuffix(".guest") for name, about in found(db) if name == "trigger_is_ours"}

    assert names == {"absurd_event_log", *(n for (n,) in db.rows("select partition_name from absurd._log_partitions()"))}


def witnessed(db: Database) -> Any:
    """A week with a whole task's history, which was seen while there were rows, and a later one."""
    ensure(db)
    task = running(db)
    complete(db, task)
    db.conn.execute("select absurd.cleanup_tasks('q', 0)")
    db.clock.advance(timedelta(seconds=1))
    db.conn.execute("select absurd.cleanup_tasks('q', 0)")
    db.clock.advance(WEEK)
    ensure(db)
    assert db.verify() == []
    return task["task_id"]


def test_a_partition_that_was_emptied_by_hand_is_found(db: Database) -> None:
    witnessed(db)
    as_owner(
        db,
        "alter table absurd.absurd_event_log_2030w01 disable trigger user",
        "truncate absurd.absurd_event_log_2030w01",
        "alter table absurd.absurd_event_log_2030w01 enable always trigger zzz_no_change",
        "alter table absurd.absurd_event_log_2030w01 enable always trigger zzz_no_truncate",
    )

    assert found(db) == {("log_partition_is_whole", "absurd_event_log_2030w01"), ("purge_is_logged", None)}


def test_a_partition_that_was_emptied_and_written_again_is_found(db: Database) -> None:
    witnessed(db)
    partition = "absurd_event_log_2030w01"
    as_owner(db, f"alter table absurd.{partition} disable trigger user", f"delete from absurd.{partition}")
    as_owner(db, *(f"alter table absurd.{partition} enable always trigger zzz_no_{what}" for what in ("change", "truncate")))
    db.clock.set(T0)
    spawn(db)
    ensure(db)

    assert ("log_partition_is_whole", partition) in found(db)


def test_a_week_without_rows_between_others_has_none_to_remember(db: Database) -> None:
    ensure(db)
    spawn(db)
    db.clock.advance(2 * WEEK)
    spawn(db)
    ensure(db)

    seen = db.rows("select partition_name from absurd.log_partition where witness is not null and from_at >= %s order by 1", MONDAY)
    assert seen == [("absurd_event_log_2030w01",), ("absurd_event_log_2030w03",)]
    assert db.verify() == []


def test_a_partitioned_table_of_the_users_is_none_of_the_logs(db: Database) -> None:
    as_owner(db, "create table public.sales (at timestamptz) partition by range (at)")
    as_owner(db, "create table public.sales_2030 partition of public.sales for values from ('2030-01-01') to ('2031-01-01')")

    assert db.verify() == []


def test_a_partition_that_was_dropped_by_hand_is_found(db: Database) -> None:
    witnessed(db)
    as_owner(db, "drop table absurd.absurd_event_log_2030w01")

    part = "absurd_event_log_2030w01"
    assert found(db) == {("log_partition_is_there", part), ("log_partition_is_whole", part), ("purge_is_logged", None)}


def test_an_empty_partition_that_was_dropped_by_hand_is_found(db: Database) -> None:
    ensure(db)
    as_owner(db, "drop table absurd.absurd_event_log_2030w04")

    assert found(db) == {("log_partition_is_there", "absurd_event_log_2030w04")}
    db.clock.advance(3 * WEEK)
    assert partition_of(db, spawn(db)) == DEFAULT


def test_a_partition_that_was_detached_is_found(db: Database) -> None:
    ensure(db)
    as_owner(db, "alter table absurd.absurd_event_log detach partition absurd.absurd_event_log_2030w04")

    assert ("log_partition_is_there", "absurd_event_log_2030w04") in found(db)
    as_owner(
        db,
        "alter table absurd.absurd_event_log attach partition absurd.absurd_event_log_2030w04 "
        f"for values from ('{MONDAY + 3 * WEEK}') to ('{MONDAY + 4 * WEEK - timedelta(days=1)}')",
    )
    assert {name for name, _ in found(db)} == {"log_partition_is_there", "log_partition_is_ours"}
    with expect_error("TW104", "partition absurd_event_log_2030w04 of the log was not made by Tollway"):
        run(db, "select * from absurd.drop_log_before('2029-01-01')")


def test_a_partition_that_was_renamed_is_found_and_not_dropped(db: Database) -> None:
    ensure(db)
    as_owner(db, "alter table absurd.absurd_event_log_2030w04 rename to guest")

    assert {("log_partition_is_there", "absurd_event_log_2030w04"), ("log_partition_is_ours", "guest")} <= found(db)
    with expect_error("TW104", "partition guest of the log was not made by Tollway"):
        run(db, "select * from absurd.drop_log_before('2029-01-01')")


@pytest.mark.parametrize("schema", ["absurd", "public"])
def test_a_partition_of_somebody_elses_is_found_and_not_dropped(db: Database, schema: str) -> None:
    as_owner(db, f"create table {schema}.guest partition of absurd.absurd_event_log for values from ('2000-01-01') to ('2001-01-01')")

    assert ("log_partition_is_ours", "guest") in found(db)
    with expect_error("TW104", "partition guest of the log was not made by Tollway"):
        run(db, "select * from absurd.drop_log_before('2029-01-01')")
    assert db.one("select to_regclass(%s) is not null", f"{schema}.guest")


def test_a_row_that_is_there_twice_in_two_partitions_is_found(db: Database) -> None:
    ensure(db)
    task_id = spawn(db)
    columns = (
        "queue_name, task_id, seq, workflow_run_id, run_id, attempt, claim_epoch, event, from_state, to_state, login_role, via, "
        "incarnation, xid"
    )
    later: datetime = T0 + WEEK
    db.conn.execute(
        f"insert into absurd.absurd_event_log ({columns}, at) select {columns}, %s from absurd.absurd_event_log where task_id = %s",
        (later, task_id),
    )

    assert [(name, task, detail) for name, _, task, detail in db.verify()] == [("log_seq_is_dense", task_id, {"seq": 1, "before": 1})]


def test_each_partition_still_refuses_a_number_twice(db: Database) -> None:
    ensure(db)
    task_id = spawn(db)
    with expect_error("23505"):
        run(db, "insert into absurd.absurd_event_log (queue_name, task_id, seq, event, login_role, via, incarnation, xid, at) "
            "select queue_name, task_id, seq, event, login_role, via, incarnation, xid, at "
            "from absurd.absurd_event_log where task_id = %s", task_id)  # fmt: skip
