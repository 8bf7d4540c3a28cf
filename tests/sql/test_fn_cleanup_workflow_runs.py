"""cleanup_workflow_runs: history leaves after its task, oldest first, and each row that leaves is told by the log, whoever removes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg.rows import dict_row

from fixtures.database import Database
from sql.helpers import T0, Q, at, complete, expect_error, one, prepare, run, running, spawn, task_in

WEEK = timedelta(weeks=1)
REMOVED = "select * from absurd.absurd_event_log where event = 'workflow.removed' order by log_id"


@pytest.fixture(autouse=True)
def scenario(db: Database) -> None:
    prepare(db)


def purged(db: Database, ended: str = "completed") -> Any:
    """The id of a task that ended and was purged at this moment of the clock, which goes on by a second."""
    task_id = task_in(db, ended)["task_id"]
    now = db.one("select absurd.current_time()")
    db.clock.set(now + timedelta(milliseconds=1))
    assert db.one("select absurd.cleanup_tasks(%s, 0)", Q) == 1
    db.clock.set(now + timedelta(seconds=1))
    return task_id


def remove(db: Database, seconds: Any = 0, *limit: Any, queue: Any = Q) -> Any:
    return db.one(f"select absurd.cleanup_workflow_runs(%s, %s{', %s' * len(limit)})", queue, seconds, *limit)


def kept(db: Database) -> list[Any]:
    return [task_id for (task_id,) in db.rows("select workflow_run_id from absurd.workflow_run order by created_at, workflow_run_id")]


def unguarded(db: Database, statement: str, *params: Any) -> None:
    """As an owner may who switches the triggers off, and puts them back."""
    tables = ["workflow_run", "task", "absurd_event_log", *(n for (n,) in db.rows("select partition_name from absurd._log_partitions()"))]
    with db.conn.transaction():
        for table in tables:
            db.conn.execute(f"alter table absurd.{table} disable trigger user")
        db.conn.execute(statement, params)
        for table in tables:
            for (name,) in db.rows("select tgname from pg_trigger where tgrelid = %s::regclass and not tgisinternal", f"absurd.{table}"):
                db.conn.execute(f"alter table absurd.{table} enable always trigger {name}")


@pytest.mark.parametrize(("limit", "gone"), [(0, 0), (2, 2), (None, 3)])
def test_the_oldest_purges_go_first_up_to_the_limit(db: Database, limit: Any, gone: int) -> None:
    tasks = [purged(db) for _ in range(3)]
    # the first that was purged goes first, whichever began or ended first
    tasks.append(tasks.pop(0))
    unguarded(db, "update absurd.workflow_run set purged_at = %s where workflow_run_id = %s", at(3), tasks[-1])
    db.clock.set(at(10))

    assert remove(db, 5, limit) == gone

    assert set(kept(db)) == set(tasks[gone:])
    assert db.verify() == []


def test_a_call_without_a_limit_takes_a_thousand(db: Database) -> None:
    task_id = purged(db)
    unguarded(
        db,
        "insert into absurd.workflow_run (workflow_run_id, workflow_name, status, absurd_queue, absurd_run_id, attempts, created_at, "
        "updated_at, purged_at) select gen_random_uuid(), w.workflow_name, w.status, w.absurd_queue, w.absurd_run_id, 1, w.created_at, "
        "w.updated_at, w.purged_at from absurd.workflow_run w, generate_series(1, 1000) where w.workflow_run_id = %s",
        task_id,
    )

    assert [remove(db) for _ in range(3)] == [1000, 1, 0]


@pytest.mark.parametrize(("age", "gone"), [(10, 0), (10.001, 1)])
def test_the_age_is_counted_from_the_purge_and_passed(db: Database, age: float, gone: int) -> None:
    task_in(db, "completed")
    db.clock.set(at(5))
    run(db, "select absurd.cleanup_tasks(%s, 1)", Q)
    db.clock.set(at(5 + age))

    assert remove(db, 10) == gone


@pytest.mark.parametrize("before", ["pending", "running", "sleeping", "completed", "failed", "cancelled"])
def test_what_has_its_task_stays(db: Database, before: str) -> None:
    task_id = task_in(db, before)["task_id"]
    db.clock.set(at(1000))

    assert remove(db) == 0
    assert kept(db) == [task_id]


def test_the_history_of_other_queues_stays(db: Database) -> None:
    run(db, "select absurd.create_queue('other')")
    mine = purged(db)
    spawn(db, "other")
    run(db, "select absurd.drop_queue('other')")
    db.clock.set(at(10))

    assert remove(db, queue="other") == 1
    assert kept(db) == [mine]


def test_a_dropped_queues_history_can_be_removed_and_what_is_not_there_is_no_error(db: Database) -> None:
    spawn(db)
    run(db, "select absurd.drop_queue(%s)", Q)
    db.clock.set(at(10))

    assert [remove(db), remove(db), remove(db, queue="nowhere")] == [1, 0, 0]
    assert kept(db) == []
    assert db.verify() == []


@pytest.mark.parametrize(
    ("queue", "seconds", "limit", "code", "message"),
    [
        (Q, None, 1, "P0001", "TTL must be a non-negative number of seconds"),
        (Q, -1, 1, "P0001", "TTL must be a non-negative number of seconds"),
        (None, 0, 1, "22004", "Queue name must be provided"),
        (Q, 0, -1, "2201W", None),
    ],
)
def test_bad_arguments_are_refused(db: Database, queue: Any, seconds: Any, limit: Any, code: str, message: str | None) -> None:
    purged(db)
    with expect_error(code, message):
        remove(db, seconds, limit, queue=queue)


def test_a_locked_row_is_skipped_and_taken_later(db: Database) -> None:
    first, second = purged(db), purged(db)
    holder = db.connect(autocommit=False)
    holder.execute("select from absurd.workflow_run where workflow_run_id = %s for update", (first,))
    db.conn.execute("set lock_timeout = '5s'")

    assert remove(db) == 1
    assert kept(db) == [first]
    holder.rollback()
    assert remove(db) == 1
    assert {row["workflow_run_id"] for row in run(db, REMOVED)} == {first, second}


@pytest.mark.parametrize("ended", ["completed", "failed", "cancelled"])
def test_a_removal_is_a_row_of_the_log(db: Database, ended: str) -> None:
    task_id = purged(db, ended)
    db.clock.set(at(60))
    operator = db.connect()
    operator.execute("set role tollway_operator; set application_name = 'house'; set timezone = 'UTC'")

    operator.execute("select absurd.cleanup_workflow_runs(%s, 30)", (Q,))

    row = one(db, REMOVED)
    told = {k: v for k, v in row.items() if v is not None and k not in ("log_id", "xid", "incarnation")}
    assert told == {
        "queue_name": Q, "workflow_run_id": task_id, "event": "workflow.removed", "login_role": db.one("select session_user"),
        "set_role": "tollway_operator", "application_name": "house", "via": "cleanup_workflow_runs", "at": at(60),
        "detail": {"workflow": "work", "status": ended, "purged_at": "2030-01-01T00:00:00.001+00:00"},
    }  # fmt: skip
    assert db.verify() == []


def test_a_removal_by_hand_is_logged_as_well_a_row_each_in_its_transaction(db: Database) -> None:
    tasks = {purged(db) for _ in range(3)}
    with db.connect(autocommit=False) as owner:
        owner.execute("set local role tollway_owner")
        owner.execute("delete from absurd.workflow_run")
        rows = owner.cursor(row_factory=dict_row).execute(f"select pg_current_xact_id() = xid as now, * from ({REMOVED}) r").fetchall()
        assert {(r["via"], r["set_role"], r["now"]) for r in rows} == {("sql", "tollway_owner", True)}
        assert sorted(r["workflow_run_id"] for r in rows) == sorted(tasks)
        owner.rollback()

    assert set(kept(db)) == tasks
    assert run(db, REMOVED) == []
    with db.conn.transaction():
        db.conn.execute("set local session_replication_role = replica")
        db.conn.execute("delete from absurd.workflow_run")
    assert len(run(db, REMOVED)) == 3
    assert db.verify() == []


def test_a_delete_that_takes_a_tasks_own_too_removes_nothing_and_logs_nothing(db: Database) -> None:
    there = [purged(db), spawn(db)]
    with expect_error("TW104", "DELETE on absurd.workflow_run is refused while its task is there", "once purged_at is set"):
        run(db, "delete from absurd.workflow_run")

    assert sorted(kept(db)) == sorted(there)
    assert run(db, REMOVED) == []
    with expect_error("TW104", "TRUNCATE on absurd.workflow_run is refused", "cleanup_workflow_runs"):
        run(db, "truncate absurd.workflow_run")


def test_no_other_clean_up_removes_history(db: Database) -> None:
    task_id = purged(db)
    db.clock.set(T0 + 1000 * WEEK)
    for call in ("cleanup_all_queues()", "cleanup_tasks('q', 0)", "cleanup_events('q', 0)", "repair()"):
        run(db, f"select * from absurd.{call}")

    assert kept(db) == [task_id]


@pytest.mark.parametrize("role", ["tollway_worker", "tollway_client", "tollway_reader"])
def test_only_operators_may(db: Database, role: str) -> None:
    purged(db)
    db.conn.execute(f"set role {role}")
    with expect_error("42501"):
        remove(db)


def test_a_removal_behind_the_gates_back_is_found(db: Database) -> None:
    gone, logged, there = purged(db), purged(db), purged(db)
    run(db, "delete from absurd.workflow_run where workflow_run_id = %s", logged)
    assert db.verify() == []

    unguarded(db, "delete from absurd.workflow_run where workflow_run_id = %s", gone)

    assert db.verify() == [("removal_is_logged", Q, gone, {"purged_at": "2030-01-01T00:00:00.001+00:00"})]
    assert run(db, "select * from absurd.repair()") == [], "what it said cannot be derived any more"
    unguarded(db, "delete from absurd.absurd_event_log where event = 'workflow.removed'")
    assert {task_id for _, _, task_id, _ in db.verify()} == {gone, logged}
    assert there in kept(db)


def test_a_purged_child_never_had_a_workflow_run(db: Database) -> None:
    parent = running(db)
    child = spawn(db, parent_task_id=str(parent["task_id"]))
    complete(db, parent)
    run(db, "select absurd.cancel_task(%s, %s)", Q, child)
    db.clock.set(at(1))
    assert db.one("select absurd.cleanup_tasks(%s, 0)", Q) == 2

    assert kept(db) == [parent["task_id"]]
    assert db.verify() == []


def drop_log(db: Database, before: Any) -> None:
    db.conn.execute("select absurd.ensure_partitions()")
    run(db, "select * from absurd.drop_log_before(%s)", before)


@pytest.mark.parametrize("removed_in_week", [0, 1, 2])
@pytest.mark.parametrize("dropped_in_week", [1, 2, 3])
def test_verify_finds_nothing_whenever_the_log_is_dropped(db: Database, removed_in_week: int, dropped_in_week: int) -> None:
    """Before the removal, or after it: with the purge alone, or with both."""
    db.conn.execute("select absurd.ensure_partitions()")
    task_id = purged(db)
    for week in range(4):
        db.clock.set(T0 + week * WEEK + timedelta(hours=1))
        if week == removed_in_week:
            assert remove(db) == 1
        if week == dropped_in_week:
            drop_log(db, db.one("select absurd.current_time()"))
        assert db.verify() == []

    assert db.rows("select from absurd.absurd_event_log where task_id = %s", task_id) == []
    assert len(run(db, REMOVED)) == (removed_in_week >= dropped_in_week)


def test_a_removal_behind_the_gates_back_is_found_after_older_weeks_were_dropped(db: Database) -> None:
    db.conn.execute("select absurd.ensure_partitions()")
    early = purged(db)
    db.clock.set(T0 + 2 * WEEK)
    late = purged(db)
    drop_log(db, T0 + WEEK)
    unguarded(db, "delete from absurd.workflow_run")

    # of the early one nothing is left that could tell
    assert [(name, task_id) for name, _, task_id, _ in db.verify()] == [("removal_is_logged", late)]
    assert early not in kept(db)


def test_a_removal_whose_week_was_dropped_does_not_miss_a_purge_kept_by_the_default_partition(db: Database) -> None:
    """The purge is in the default partition, which has newer rows and stays; the removal was in a week that went."""
    db.clock.set(T0 + 20 * WEEK)
    purged(db)
    db.clock.set(T0 + 21 * WEEK)
    db.conn.execute("select absurd.ensure_partitions()")
    remove(db)
    db.clock.set(T0 + 40 * WEEK)
    spawn(db)
    drop_log(db, T0 + 23 * WEEK)

    assert db.one("select count(*) from absurd.absurd_event_log_default where event = 'task.purged'") == 1
    assert run(db, REMOVED) == []
    assert db.verify() == []


def test_a_purge_within_the_hour_of_the_logs_start_is_not_asked(db: Database) -> None:
    """The clock may have been set back between the purge and the removal; of more than an hour, verify() would tell."""
    week = T0 - timedelta(days=1) + WEEK
    db.conn.execute("select absurd.ensure_partitions()")
    db.clock.set(week + timedelta(minutes=30))
    purged(db)
    db.clock.set(week - timedelta(minutes=20))
    run(db, "delete from absurd.workflow_run")
    db.clock.set(week + 2 * WEEK)
    drop_log(db, week)

    assert run(db, REMOVED) == []
    assert db.verify() == []


def test_a_move_updates_a_workflow_run_in_place(db: Database) -> None:
    """The index of purged ones has nothing that a move writes."""
    with db.conn.transaction():
        task = running(db)
        db.clock.set(at(1))
        complete(db, task)
        updated, in_place = (
            db.one(f"select pg_stat_get_xact_tuples_{what}('absurd.workflow_run'::regclass)") for what in ("updated", "hot_updated")
        )

    assert updated == in_place >= 2


def test_two_removals_at_once_share_the_rows(db: Database) -> None:
    tasks = {purged(db) for _ in range(4)}
    first = db.connect(autocommit=False)
    assert first.execute("select absurd.cleanup_workflow_runs(%s, 0, 2)", (Q,)).fetchone() == (2,)
    db.conn.execute("set lock_timeout = '5s'")

    assert remove(db) == 2
    first.commit()
    assert {row["workflow_run_id"] for row in run(db, REMOVED)} == tasks
    assert kept(db) == []
