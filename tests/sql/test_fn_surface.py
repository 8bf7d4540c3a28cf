"""The public surface as foreign clients see it: names, arguments, result columns, and the helpers around ids and time."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from fixtures.database import Database
from sql.helpers import T0, expect_error, prepare, run

# absurd's functions: the arguments its clients give, in their order, and the columns they read by position
SURFACE = {
    "create_queue": ("p_queue_name text", "void"),
    "drop_queue": ("p_queue_name text", "void"),
    "list_queues": ("", "TABLE(queue_name text)"),
    "get_queue_policy": (
        "p_queue_name text",
        "TABLE(queue_name text, storage_mode text, default_partition text, partition_lookahead interval, partition_lookback interval,"
        " cleanup_ttl interval, cleanup_limit integer, detach_mode text, detach_min_age interval)",
    ),
    "set_queue_policy": ("p_queue_name text, p_policy jsonb", "void"),
    "ensure_queue_tables": ("p_queue_name text", "void"),
    "validate_queue_name": ("p_queue_name text", "text"),
    "get_schema_version": ("", "text"),
    "current_time": ("", "timestamp with time zone"),
    "spawn_task": (
        "p_queue_name text, p_task_name text, p_params jsonb, p_options jsonb DEFAULT '{}'::jsonb",
        "TABLE(task_id uuid, run_id uuid, attempt integer, created boolean)",
    ),
    "claim_task": (
        "p_queue_name text, p_worker_id text, p_claim_timeout integer DEFAULT 30, p_qty integer DEFAULT 1",
        "TABLE(run_id uuid, task_id uuid, attempt integer, task_name text, params jsonb, retry_strategy jsonb, max_attempts integer,"
        " headers jsonb, wake_event text, event_payload jsonb)",
    ),
    "complete_run": ("p_queue_name text, p_run_id uuid, p_state jsonb DEFAULT NULL::jsonb", "void"),
    "schedule_run": ("p_queue_name text, p_run_id uuid, p_wake_at timestamp with time zone", "void"),
    "fail_run": (
        "p_queue_name text, p_run_id uuid, p_reason jsonb, p_retry_at timestamp with time zone DEFAULT NULL::timestamp with time zone",
        "void",
    ),
    "cancel_task": ("p_queue_name text, p_task_id uuid", "void"),
    "retry_task": (
        "p_queue_name text, p_task_id uuid, p_options jsonb DEFAULT '{}'::jsonb",
        "TABLE(task_id uuid, run_id uuid, attempt integer, created boolean)",
    ),
    "extend_claim": ("p_queue_name text, p_run_id uuid, p_extend_by integer", "void"),
    "get_task_result": ("p_queue_name text, p_task_id uuid", "TABLE(task_id uuid, state text, result jsonb, failure_reason jsonb)"),
    "set_task_checkpoint_state": (
        "p_queue_name text, p_task_id uuid, p_step_name text, p_state jsonb, p_owner_run uuid,"
        " p_extend_claim_by integer DEFAULT NULL::integer",
        "void",
    ),
    "get_task_checkpoint_state": (
        "p_queue_name text, p_task_id uuid, p_step_name text, p_include_pending boolean DEFAULT false",
        "TABLE(checkpoint_name text, state jsonb, status text, owner_run_id uuid, updated_at timestamp with time zone)",
    ),
    "get_task_checkpoint_states": (
        "p_queue_name text, p_task_id uuid, p_run_id uuid",
        "TABLE(checkpoint_name text, state jsonb, status text, owner_run_id uuid, updated_at timestamp with time zone)",
    ),
    "await_event": (
        "p_queue_name text, p_task_id uuid, p_run_id uuid, p_step_name text, p_event_name text, p_timeout integer DEFAULT NULL::integer",
        "TABLE(should_suspend boolean, payload jsonb)",
    ),
    "emit_event": ("p_queue_name text, p_event_name text, p_payload jsonb DEFAULT NULL::jsonb", "void"),
    "cleanup_tasks": ("p_queue_name text, p_ttl_seconds integer, p_limit integer DEFAULT 1000", "integer"),
    "cleanup_events": ("p_queue_name text, p_ttl_seconds integer, p_limit integer DEFAULT 1000", "integer"),
    "cleanup_all_queues": (
        "p_queue_name text DEFAULT NULL::text",
        "TABLE(queue_name text, tasks_deleted integer, events_deleted integer)",
    ),
    "ensure_partitions": ("p_queue_name text DEFAULT NULL::text", "void"),
    "list_detach_candidates": (
        "p_queue_name text DEFAULT NULL::text",
        "TABLE(queue_name text, parent_table text, partition_table text)",
    ),
    "drop_detached_partition": ("p_partition_table text, p_unschedule_job_name text DEFAULT NULL::text", "boolean"),
    "schedule_detach_jobs": (
        "p_queue_name text DEFAULT NULL::text",
        "TABLE(job_name text, job_id bigint, queue_name text, partition_table text, job_kind text)",
    ),
    "enable_cron": (
        "p_queue_name text DEFAULT NULL::text, p_partition_schedule text DEFAULT '5 * * * *'::text,"
        " p_cleanup_schedule text DEFAULT '17 * * * *'::text, p_detach_schedule text DEFAULT '29 * * * *'::text",
        "TABLE(job_name text, job_id bigint)",
    ),
    "disable_cron": ("p_queue_name text DEFAULT NULL::text", "TABLE(job_name text, job_id bigint)"),
    "week_bucket_utc": ("p_ts timestamp with time zone", "timestamp with time zone"),
    "partition_week_tag": ("p_ts timestamp with time zone", "text"),
    "retry_delay_seconds": ("p_strategy jsonb, p_attempt integer", "double precision"),
    "portable_uuidv7": ("", "uuid"),
    "uuidv7_timestamp": ("p_id uuid", "timestamp with time zone"),
    "uuidv7_floor": ("p_ts timestamp with time zone", "uuid"),
}
FUNCTIONS = """select pg_get_function_arguments(p.oid), pg_get_function_result(p.oid) from pg_proc p
               where p.pronamespace = 'absurd'::regnamespace and p.proname = %s order by p.pronargs"""


@pytest.mark.parametrize("name", SURFACE)
def test_a_function_of_absurd_is_called_and_read_as_there(db: Database, name: str) -> None:
    arguments, result = db.rows(FUNCTIONS, name)[0]

    wanted, columns = SURFACE[name]
    assert arguments[: len(wanted)] == wanted
    assert result == columns
    further = arguments[len(wanted) :].removeprefix(", ")
    assert all("DEFAULT" in argument for argument in further.split(", ") if argument)


def test_each_public_name_has_one_signature_but_create_queue(db: Database) -> None:
    names = db.rows(
        """select proname, count(*) from pg_proc where pronamespace = 'absurd'::regnamespace and proname not like '\\_%%'
           group by 1 having count(*) > 1"""
    )

    assert names == [("create_queue", 2)]


def test_no_setting_moves_the_clock(db: Database) -> None:
    db.clock.set(None)
    db.conn.execute("set absurd.fake_now = '2001-01-01'")

    assert db.one("select abs(extract(epoch from absurd.current_time() - clock_timestamp())) < 60")


def test_the_frozen_clock_times_what_is_spawned(db: Database) -> None:
    prepare(db)
    run(db, "select absurd.spawn_task('q', 'w', '1')")

    assert db.rows("select enqueue_at from absurd.t_q") == [(T0,)]
    assert db.verify() == []


def test_ids_are_uuids_of_version_7_in_the_order_of_time(db: Database) -> None:
    ids = [db.one("select absurd.portable_uuidv7()") for _ in range(50)]

    assert {(i.version, i.variant) for i in ids} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == 50
    assert ids == sorted(ids)  # to the microsecond at least: two calls of one session take longer
    made = [db.one("select absurd.uuidv7_timestamp(%s)", i) for i in ids]
    assert made == sorted(made)
    assert abs(made[-1] - datetime.now(UTC)) < timedelta(minutes=1)


def test_task_and_run_ids_are_of_version_7_and_belong_together(db: Database) -> None:
    prepare(db)
    (row,) = run(db, "select task_id, run_id from absurd.spawn_task('q', 'w', '1')")

    assert [i.version for i in row.values()] == [7, 7]
    assert row["task_id"] != row["run_id"]
    assert db.one("select absurd.task_id_of(%s)", row["run_id"]) == row["task_id"]


@pytest.mark.parametrize(
    ("moment", "floor"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), "00000000-0000-7000-8000-000000000000"),
        (datetime(2030, 1, 1, tzinfo=UTC), "01b8dac5-b400-7000-8000-000000000000"),
        (datetime(2030, 1, 1, microsecond=1999, tzinfo=UTC), "01b8dac5-b401-7000-8000-000000000000"),
    ],
)
def test_the_floor_of_a_moment_is_its_smallest_id(db: Database, moment: datetime, floor: str) -> None:
    assert str(db.one("select absurd.uuidv7_floor(%s)", moment)) == floor
    assert moment - db.one("select absurd.uuidv7_timestamp(%s)", floor) < timedelta(milliseconds=1)


@pytest.mark.parametrize("moment", ["1969-12-31 23:59:59.999Z", "10895-08-03Z", "infinity", "-infinity"])
def test_a_moment_that_no_id_can_have_is_refused(db: Database, moment: str) -> None:
    db.conn.execute("set timezone = 'UTC'")
    printed = db.one("select %s::timestamptz::text", moment)

    with expect_error("P0001", f'Timestamp "{printed}" is outside UUIDv7 supported range'):
        run(db, "select absurd.uuidv7_floor(%s)", moment)


def test_the_helpers_of_ids_answer_null_for_what_is_no_id_of_theirs(db: Database) -> None:
    assert db.one("select absurd.uuidv7_timestamp(null)") is None
    assert db.one("select absurd.uuidv7_floor(null)") is None
    assert db.one("select absurd.uuidv7_timestamp(gen_random_uuid())") is None


@pytest.mark.parametrize("document", ['{"a": "\\u0000"}', "{", "NaN", "", '{"a": "\\ud800"}'])
def test_what_is_no_json_harms_nobody(db: Database, document: str) -> None:
    prepare(db)
    run(db, "select absurd.spawn_task('q', 'w', '1')")

    with expect_error("22P05" if "\\u0000" in document else "22P02"):
        run(db, "select absurd.spawn_task('q', 'w', %s)", document)

    assert len(run(db, "select * from absurd.claim_task('q', 'w', 30, 5)")) == 1


def test_every_refusal_carries_a_hint(db: Database) -> None:
    sources = db.rows("select proname, prosrc from pg_proc where pronamespace = 'absurd'::regnamespace")

    without = [name for name, source in sources for raised in source.split("raise exception")[1:] if "hint" not in raised.split(";\n")[0]]

    assert len(sources) > 50
    assert without == []


def test_all_of_a_call_rolls_back_with_its_transaction(db: Database) -> None:
    prepare(db)
    with db.conn.transaction(force_rollback=True):
        run(db, "select absurd.spawn_task('q', 'w', '1')")
        run(db, "select absurd.emit_event('q', 'e')")
        run(db, "select absurd.claim_task('q', 'w')")

    assert [db.one(f"select count(*) from absurd.{t}") for t in ("task", "event", "workflow_run", "absurd_event_log")] == [0, 0, 0, 0]


def test_void_functions_answer_one_row(db: Database) -> None:
    prepare(db)

    assert db.one("select absurd.emit_event('q', 'e')") == ""
