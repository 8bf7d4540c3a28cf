"""drop_log_before: whole partitions leave, what verify() must know of them is written down first, and nothing else goes unseen."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fixtures.database import Database
from sql.helpers import T0, claim, claim_one, complete, expect_error, fail, one, prepare, run, running, spawn

MONDAY = T0 - timedelta(days=1)
WEEK = timedelta(weeks=1)
DROPPED = "select detail from absurd.absurd_event_log where event = 'log.dropped' order by log_id"


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    prepare(db)
    db.conn.execute("select absurd.ensure_partitions()")


def drop(db: Database, before: datetime) -> list[Any]:
    return db.rows("select partition_name, rows_dropped from absurd.drop_log_before(%s)", before)


def next_week(db: Database) -> None:
    db.clock.advance(WEEK)
    db.conn.execute("select absurd.ensure_partitions()")


def floors(db: Database) -> dict[Any, tuple[Any, ...]]:
    rows = db.rows("select task_id, seq, state, claim_epoch, attempt, worker, ends, retries from absurd.log_floor")
    return {task_id: rest for task_id, *rest in rows}


def seqs(db: Database, task_id: Any) -> list[int]:
    return [seq for (seq,) in db.rows("select seq from absurd.absurd_event_log where task_id = %s order by seq", task_id)]


def purge(db: Database) -> None:
    db.clock.advance(timedelta(seconds=1))
    db.conn.execute("select absurd.cleanup_tasks('q', 0, null)")


def long_lived(db: Database) -> Any:
    """Claimed and failed in the first week, claimed again in the second, with a checkpoint of each; an event; it runs on."""
    task = running(db, max_attempts=9)
    db.conn.execute("select absurd.set_task_checkpoint_state('q', %s, 'a', '1', %s, 30)", (task["task_id"], task["run_id"]))
    db.conn.execute("select absurd.emit_event('q', 'early', '1')")
    fail(db, task, retry_at=T0 + timedelta(days=1))
    next_week(db)
    task = claim_one(db, lease=5_000_000)
    db.conn.execute("select absurd.set_task_checkpoint_state('q', %s, 'b', '1', %s, 5000000)", (task["task_id"], task["run_id"]))
    next_week(db)
    return task


def test_what_is_old_goes_whole_and_the_log_says_so(db: Database) -> None:
    task = long_lived(db)
    rows = db.one("select count(*) from absurd.absurd_event_log_2030w01")

    answer = db.rows("select * from absurd.drop_log_before(%s)", MONDAY + WEEK)

    assert answer[-1] == ("absurd_event_log_2030w01", MONDAY, MONDAY + WEEK, rows)
    assert {rows for *_, rows in answer[:-1]} == {0}, "the weeks of the installation's own time, long before"
    assert db.one("select to_regclass('absurd.absurd_event_log_2030w01')") is None
    assert seqs(db, task["task_id"]) == [4]
    assert floors(db) == {task["task_id"]: [3, "sleeping", 1, 1, "w1", 0, 0]}
    last = one(db, "select * from absurd.absurd_event_log order by log_id desc limit 1")
    assert (last["event"], last["queue_name"], last["task_id"], last["via"]) == ("log.dropped", None, None, "drop_log_before")
    assert last["detail"]["partitions"][-1] == {
        "partition": "absurd_event_log_2030w01", "from": "2029-12-31T00:00:00+00:00", "to": "2030-01-07T00:00:00+00:00", "rows": rows,
    }  # fmt: skip
    assert (last["detail"]["floors"], last["detail"]["holes"]) == (1, 0)
    assert db.verify() == []


def test_a_task_goes_on_from_its_floor(db: Database) -> None:
    task = long_lived(db)
    drop(db, MONDAY + 2 * WEEK)
    assert seqs(db, task["task_id"]) == []
    assert db.verify() == []

    complete(db, task)
    assert seqs(db, task["task_id"]) == [5]
    assert db.verify() == []
    next_week(db)
    drop(db, MONDAY + 3 * WEEK)
    assert floors(db)[task["task_id"]] == [5, "completed", 2, 2, "w1", 1, 0]
    assert db.verify() == []
    purge(db)
    assert floors(db)[task["task_id"]][0] == 5
    assert db.verify() == []
    next_week(db)
    drop(db, MONDAY + 4 * WEEK)

    assert floors(db) == {}
    assert db.verify() == []


def test_an_end_and_a_retry_that_went_are_counted_on(db: Database) -> None:
    task = running(db)
    fail(db, task, retryable=False)
    next_week(db)
    db.conn.execute("select absurd.retry_task('q', %s)", (task["task_id"],))
    task = claim_one(db)
    drop(db, MONDAY + WEEK)
    complete(db, task)
    assert db.verify() == []
    next_week(db)
    drop(db, MONDAY + 2 * WEEK)

    assert floors(db)[task["task_id"]] == [6, "completed", 2, 2, "w1", 2, 1]
    assert db.verify() == []


def test_a_childs_purged_parent_is_remembered_for_as_long_as_the_child_is(db: Database) -> None:
    parent = running(db)
    child = spawn(db, parent_task_id=str(parent["task_id"]), delay_seconds=100_000_000, detached=True)
    complete(db, parent)
    purge(db)
    for n in range(1, 3):
        next_week(db)
        drop(db, MONDAY + n * WEEK)
        assert floors(db)[parent["task_id"]][1] == "purged"
        assert db.verify() == []
    db.conn.execute("select absurd.cancel_task('q', %s)", (child,))
    purge(db)
    next_week(db)
    spawn(db, parent_task_id=str(running(db)["task_id"]))
    drop(db, MONDAY + 3 * WEEK)

    assert floors(db) == {}
    assert db.verify() == []


def test_repair_takes_the_start_of_a_workflow_from_the_floor(db: Database) -> None:
    task = long_lived(db)
    drop(db, MONDAY + 2 * WEEK)
    with db.conn.transaction():
        db.conn.execute("alter table absurd.workflow_run disable trigger user")
        db.conn.execute("delete from absurd.workflow_run")
        for (name,) in db.rows("select tgname from pg_trigger where tgrelid = 'absurd.workflow_run'::regclass and not tgisinternal"):
            db.conn.execute(f"alter table absurd.workflow_run enable always trigger {name}")
    db.conn.execute("select absurd.repair()")

    assert db.one("select started_at from absurd.workflow_run where workflow_run_id = %s", task["task_id"]) == T0
    assert db.verify() == []


def test_the_default_partition_goes_when_all_of_it_is_old_and_is_there_again(db: Database) -> None:
    db.clock.advance(10 * WEEK)  # no week was made ahead
    task = running(db)
    before = db.one("select 'absurd.absurd_event_log_default'::regclass::oid")
    next_week(db)
    drop(db, T0 + 10 * WEEK)
    assert seqs(db, task["task_id"]) == [1, 2]

    assert ("absurd_event_log_default", 2) in drop(db, T0 + 10 * WEEK + timedelta(microseconds=1))
    assert db.one("select 'absurd.absurd_event_log_default'::regclass::oid") != before
    assert floors(db)[task["task_id"]][0] == 2
    assert db.verify() == []
    db.clock.advance(-3 * WEEK)
    spawn(db)
    assert db.verify() == []


def test_rows_that_a_jump_of_the_clock_put_into_a_later_week_stay_below_the_floor(db: Database) -> None:
    task = running(db)
    db.clock.advance(WEEK)
    fail(db, task, retryable=False)
    db.clock.advance(-WEEK)
    db.conn.execute("select absurd.retry_task('q', %s)", (task["task_id"],))
    db.clock.advance(WEEK)
    drop(db, MONDAY + WEEK)

    assert seqs(db, task["task_id"]) == [3]
    assert floors(db)[task["task_id"]] == [4, "pending", 1, 1, "w1", 1, 1]
    assert db.verify() == []
    complete(db, claim_one(db))
    next_week(db)
    drop(db, MONDAY + 2 * WEEK)
    assert floors(db)[task["task_id"]] == [6, "completed", 2, 2, "w1", 2, 1]
    assert db.verify() == []


def test_a_row_below_the_floor_leaves_with_its_week_and_moves_no_floor(db: Database) -> None:
    task = running(db)
    db.clock.advance(WEEK)
    fail(db, task, retryable=False)
    db.clock.advance(-WEEK)
    db.conn.execute("select absurd.retry_task('q', %s)", (task["task_id"],))
    db.clock.advance(2 * WEEK)
    drop(db, MONDAY + WEEK)
    before = floors(db)
    drop(db, MONDAY + 2 * WEEK)

    assert seqs(db, task["task_id"]) == []
    assert floors(db) == before
    assert db.verify() == []


def test_a_task_that_left_nothing_has_no_floor(db: Database) -> None:
    """Its purge went with its rows. Somebody else's child is not asked for its parent."""
    gone, parent = running(db), running(db)
    spawn(db, parent_task_id=str(parent["task_id"]), delay_seconds=100_000_000)
    complete(db, gone)
    purge(db)
    db.clock.advance(WEEK)
    drop(db, MONDAY + WEEK)

    assert gone["task_id"] not in floors(db)
    assert db.rows(DROPPED)[-1][0]["floors"] == len(floors(db)) == 2
    assert db.verify() == []


def test_what_stays_in_the_default_partition_keeps_its_tasks_without_a_floor(db: Database) -> None:
    db.clock.set(MONDAY - timedelta(days=1))
    old = spawn(db)
    db.clock.set(T0 + 20 * WEEK)
    new = spawn(db)
    db.clock.set(T0)
    inside = spawn(db)
    db.clock.advance(WEEK)
    drop(db, MONDAY + WEEK)

    assert floors(db).keys() == {inside}
    assert [seqs(db, t) for t in (old, new, inside)] == [[1], [1], []]
    assert db.verify() == []


def test_nothing_that_is_old_enough_changes_and_logs_nothing(db: Database) -> None:
    drop(db, MONDAY)
    before = db.one("select count(*) from absurd.absurd_event_log")

    assert drop(db, MONDAY) == drop(db, T0) == drop(db, datetime(1, 1, 1, tzinfo=UTC)) == []
    assert db.rows("select * from absurd.drop_log_before('-infinity')") == []
    assert db.one("select count(*) from absurd.absurd_event_log") == before


def test_a_drop_makes_the_weeks_ahead(db: Database) -> None:
    db.clock.advance(3 * WEEK)
    drop(db, T0 + 3 * WEEK)

    assert db.one("select max(to_at) from absurd._log_partitions()") == MONDAY + 8 * WEEK


def test_holes_below_a_new_floor_are_told_by_the_drop(db: Database) -> None:
    task = long_lived(db)
    by_hand(db, "delete from absurd.absurd_event_log where task_id = %s and seq = 2", task["task_id"])
    drop(db, MONDAY + WEEK)

    assert db.rows(DROPPED)[-1][0]["holes"] == 1


@pytest.mark.parametrize(
    ("before", "code", "says"),
    [
        (None, "P0001", "a time must be provided"),
        (T0 + timedelta(microseconds=1), "TW301", "the log cannot be dropped before 2030-01-01 00:00:00.000001+00, which is still to come"),
        ("infinity", "TW301", "the log cannot be dropped before infinity, which is still to come"),
    ],
)
def test_a_time_that_is_none_or_to_come_is_refused(db: Database, before: Any, code: str, says: str) -> None:
    with expect_error(code, says):
        run(db, "select * from absurd.drop_log_before(%s)", before)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_snapshot_that_may_be_old_is_refused(db: Database, level: str) -> None:
    db.conn.execute(f"set default_transaction_isolation = '{level}'")
    with expect_error("P0001", f"the log cannot be dropped in a {level} transaction", "READ COMMITTED"):
        drop(db, T0)


@pytest.mark.parametrize("role", ["tollway_worker", "tollway_client", "tollway_reader"])
def test_only_operators_may(db: Database, role: str) -> None:
    db.conn.execute(f"set role {role}")
    with expect_error("42501"):
        drop(db, T0)
    db.conn.execute("set role tollway_operator")
    assert len(drop(db, MONDAY)) > 0


def test_an_operators_transaction_that_is_rolled_back_drops_nothing(db: Database) -> None:
    task = long_lived(db)
    with db.conn.transaction(force_rollback=True):
        assert len(drop(db, MONDAY + WEEK)) > 0

    assert seqs(db, task["task_id"]) == [1, 2, 3, 4]
    assert floors(db) == {}
    assert db.verify() == []


def by_hand(db: Database, statement: str, *params: Any) -> None:
    """As who owns the log may, and puts its guards back."""
    with db.conn.transaction():
        parts = [n for (n,) in db.rows("select partition_name from absurd._log_partitions()")]
        for part in ("absurd_event_log", *parts):
            db.conn.execute(f"alter table absurd.{part} disable trigger user")
        db.conn.execute(statement, params)
        for part in ("absurd_event_log", *parts):
            db.conn.execute(f"alter table absurd.{part} enable always trigger zzz_no_change")
            db.conn.execute(f"alter table absurd.{part} enable always trigger zzz_no_truncate")


LOG = "delete from absurd.absurd_event_log where task_id = %s and seq = "
FLOOR = "update absurd.log_floor set {} where task_id = %s"
TAMPERED: dict[str, set[str]] = {
    LOG + "5": {"log_head_is_the_state", "log_partition_is_whole"},
    LOG + "4": {"log_seq_is_dense", "checkpoint_epoch_was_current", "log_epoch_is_the_claims", "log_partition_is_whole"},
    "update absurd.absurd_event_log set from_state = 'pending' where task_id = %s and seq = 4": {"log_from_is_the_previous_to"},
    FLOOR.format("seq = 4"): {"log_drop_is_logged", "log_from_is_the_previous_to", "log_epoch_is_the_claims"},
    FLOOR.format("seq = 2"): {"log_drop_is_logged", "log_seq_is_dense"},
    FLOOR.format("state = 'pending'"): {"log_drop_is_logged", "log_from_is_the_previous_to"},
    FLOOR.format("claim_epoch = 9, attempt = 9"): {"log_drop_is_logged"},
    FLOOR.format("claim_epoch = null"): {"log_drop_is_logged", "checkpoint_epoch_was_current"},
    FLOOR.format("worker = 'x'"): {"log_drop_is_logged"},
    FLOOR.format("hash = 'x'"): {"log_drop_is_logged"},
    FLOOR.format("started_at = '2000-01-01'"): {"log_drop_is_logged"},
    FLOOR.format("ends = -5"): {"log_drop_is_logged"},
    FLOOR.format("retries = 7"): {"log_drop_is_logged"},
    "delete from absurd.log_floor where task_id = %s": {
        "log_drop_is_logged", "log_seq_is_dense", "checkpoint_epoch_was_current",
    },
    "insert into absurd.log_floor (task_id, seq, state, ends, retries) select gen_random_uuid(), 1, 'purged', 0, 0 where %s is not null":
        {"log_drop_is_logged"},
    "update absurd.schema_meta set log_starts_at = '2030-01-08' where %s is not null": {"log_drop_is_logged"},
    "delete from absurd.absurd_event_log where event = 'log.dropped' and %s is not null": {"log_drop_is_logged"},
}  # fmt: skip


@pytest.mark.parametrize("statement", TAMPERED)
def test_what_is_changed_by_hand_above_or_at_the_floor_is_found(db: Database, statement: str) -> None:
    task = long_lived(db)
    complete(db, task)
    drop(db, MONDAY + WEEK)
    assert db.verify() == []

    by_hand(db, statement, task["task_id"])

    assert {name for name, *_ in db.verify()} == TAMPERED[statement]


def test_the_rest_of_a_purged_tasks_log_does_not_go_unseen(db: Database) -> None:
    task = long_lived(db)
    complete(db, task)
    purge(db)
    drop(db, MONDAY + WEEK)
    assert db.verify() == []

    by_hand(db, "delete from absurd.absurd_event_log where task_id = %s", task["task_id"])

    assert {name for name, *_ in db.verify()} == {"log_ends_with_the_task", "purge_is_logged", "log_partition_is_whole"}


def act(db: Database, pick: random.Random) -> None:
    """One thing that may happen, of many."""
    known = [t for (t,) in db.rows("select task_id from absurd.task order by 1")]
    any_task = str(pick.choice(known)) if known else None
    held = db.rows("select absurd.run_id_of(task_id, attempt), task_id from absurd.task where state = 'running' order by 1")
    what = pick.randrange(10)
    if what < 3:
        spawn(db, max_attempts=3, **({"parent_task_id": any_task} if any_task and pick.random() < 0.3 else {}))
    elif what < 5:
        claim(db, qty=2, lease=pick.choice((30, 3_000_000)))
    elif what == 5 and known:
        db.conn.execute("select absurd.cancel_task('q', %s)", (any_task,))
    elif what == 6:
        db.conn.execute("select absurd.emit_event('q', %s, '1')", (f"e{pick.randrange(9)}",))
    elif held:
        run_id, task_id = pick.choice(held)
        if what == 7:
            db.conn.execute("select absurd.set_task_checkpoint_state('q', %s, %s, '1', %s, 99)", (task_id, f"s{pick.random()}", run_id))
        elif what == 8:
            db.conn.execute("select absurd.fail_run('q', %s, '1')", (run_id,))
        else:
            db.conn.execute("select absurd.complete_run('q', %s, '1')", (run_id,))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_and_whenever_the_log_is_dropped_verify_notices_the_recorded_drops_alone(db: Database, seed: int) -> None:
    pick = random.Random(seed)
    gone = 0
    for _ in range(140):
        try:
            act(db, pick)
        except psycopg.Error as refused:
            if refused.sqlstate not in ("P0001", "AB001", "AB002", "TW101", "TW301"):
                raise
        db.clock.advance(timedelta(hours=pick.randrange(30)))
        if pick.random() < 0.2:
            db.conn.execute("select absurd.cleanup_tasks('q', %s)", (pick.choice((0, 300_000, 2_000_000)),))
        if pick.random() < 0.1:
            db.conn.execute("select absurd.cleanup_workflow_runs('q', %s)", (pick.choice((0, 300_000)),))
        if pick.random() < 0.3:
            db.conn.execute("select absurd.ensure_partitions()")
        if pick.random() < 0.12:
            now = db.one("select absurd.current_time()")
            gone += sum(n for _, n in drop(db, now - timedelta(days=pick.randrange(20))))
            assert db.verify() == []

    assert db.verify() == []
    assert gone > 30, "rows were dropped"
    assert db.rows("select from absurd.log_floor"), "and some of their tasks were still there"
