"""The functions are the only way in: who may execute which, and that no table can be written, is told here once more.

The matrix comes from the catalog: a new function or relation without an expectation fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fixtures.database import Database
from races.schedule import claim_one, make_queue, refused, running, spawn

ROLES = ("tollway_worker", "tollway_client", "tollway_operator", "tollway_reader")
WORKER, CLIENT, OPERATOR, READER = ROLES

RUNS = {WORKER, OPERATOR}
STARTS = {WORKER, CLIENT, OPERATOR}
OPERATES = {OPERATOR}
OBSERVES = {OPERATOR, READER}
EVERYBODY = set(ROLES)
FUNCTIONS: dict[str, set[str]] = {
    **dict.fromkeys(
        [
            "claim_task", "claim_tasks", "complete_run", "fail_run", "schedule_run", "extend_claim", "heartbeat", "release_claims",
            "record_step", "record_steps",
            "set_task_checkpoint_state", "await_event", "worker_sync", "worker_idle", "worker_busy", "set_on_move",
            "ensure_partitions",
        ],
        RUNS,
    ),
    **dict.fromkeys(
        [
            "spawn_task", "spawn_tasks", "emit_event", "portable_uuidv7", "uuidv7_timestamp", "uuidv7_floor",
            "week_bucket_utc", "partition_week_tag",
            "retry_delay_seconds", "validate_queue_name", "cancel_task",
        ],
        STARTS,
    ),
    **dict.fromkeys(
        [
            "get_task_result", "get_task_checkpoint_state", "get_task_checkpoint_states", "list_queues", "get_queue_policy",
            "get_schema_version", "current_time", "run_id_of", "task_id_of",
        ],
        EVERYBODY,
    ),
    **dict.fromkeys(["verify", "list_on_move"], OBSERVES),
    **dict.fromkeys(
        [
            "create_queue", "drop_queue", "set_queue_policy", "ensure_queue_tables", "cleanup_tasks", "cleanup_events",
            "cleanup_workflow_runs", "cleanup_all_queues", "retry_task", "repair", "remove_on_move",
            "drop_log_before", "list_detach_candidates", "drop_detached_partition", "schedule_detach_jobs", "enable_cron",
            "disable_cron",
        ],
        OPERATES,
    ),
}  # fmt: skip
# called by functions that run as their caller
FROM_WITHIN = dict.fromkeys(["_named_queue", "_cron_lacks", "_require_cron", "_cron_scope"], OPERATES)
READABLE = {
    "queues", "task", "run", "checkpoint", "event", "wait", "workflow_run", "absurd_event_log", "waiter", "follow_up", "installed_code",
    "call_path", "on_move", "log_partition", "log_floor", "absurd_event_log_default", "absurd_event_log of a week",
    "transition", "schema_migration", "schema_file", "schema_meta", "task_runtime_status", "workflow_overview",
    "t_q", "r_q", "c_q", "e_q", "w_q",
}  # fmt: skip
ONLY_IN_TESTS = {"test_clock"}
WRITES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


@pytest.fixture
def member(db: Database, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    """A connection that logged in as a plain member of the role that the test names."""
    name = f"m_{db.one('select current_database()')}"
    db.conn.execute(f"create role {name} login in role {request.param}")
    try:
        yield db.connect(user=name)
    finally:
        db.conn.execute(f"drop owned by {name}; drop role {name}")


def test_each_function_may_be_executed_by_those_named_here_and_nobody_else(db: Database) -> None:
    rows = db.rows("select p.proname, p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'absurd'::regnamespace")

    wrong = [
        (signature, role, allowed)
        for name, signature in rows
        for role in ROLES
        if (allowed := db.one("select has_function_privilege(%s, %s, 'execute')", role, signature))
        is not (role in {**FUNCTIONS, **FROM_WITHIN}.get(name, set()))
    ]

    assert wrong == []
    assert {name for name, _ in rows if not name.startswith("_")} == set(FUNCTIONS)


def test_nobody_has_a_right_by_being_public(db: Database) -> None:
    """has_*_privilege('public') is what a role has that was given nothing."""
    functions = db.rows(
        "select p.proname from pg_proc p where p.pronamespace = 'absurd'::regnamespace "
        "and has_function_privilege('public', p.oid, 'execute')"
    )
    relations = db.rows(
        "select c.relname from pg_class c where c.relnamespace = 'absurd'::regnamespace and c.relkind in ('r', 'p', 'v', 'S') "
        "and has_table_privilege('public', c.oid, 'select, insert, update, delete, truncate')"
    )

    assert (functions, relations) == ([], [])
    assert db.one("select has_schema_privilege('public', 'absurd', 'usage, create')") is False


def test_each_relation_is_read_by_readers_and_operators_and_written_by_nobody(db: Database) -> None:
    rows = db.rows(
        "select c.relname, c.oid::regclass::text from pg_class c "
        "where c.relnamespace = 'absurd'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')"
    )

    for name, relation in rows:
        for role in ROLES:
            reads = db.one("select has_table_privilege(%s, %s, 'select')", role, relation)
            if name not in ONLY_IN_TESTS:
                assert reads is (role in (OPERATOR, READER)), (name, role)
            for right in WRITES:
                assert not db.one("select has_table_privilege(%s, %s, %s)", role, relation, right), (name, role, right)
    assert {re.sub(r"^absurd_event_log_\d+w\d\d$", "absurd_event_log of a week", name) for name, _ in rows} - ONLY_IN_TESTS == READABLE


@pytest.mark.parametrize("role", ROLES)
def test_no_role_makes_or_owns_anything_in_the_schema(db: Database, role: str) -> None:
    assert not db.one("select has_schema_privilege(%s, 'absurd', 'create')", role)
    assert db.rows("select from pg_class where relowner = %s::regrole", role) == []
    assert db.rows("select from pg_proc where proowner = %s::regrole", role) == []
    flags = "select rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls from pg_roles where rolname = %s"
    assert set(db.one(flags, role)) == {False}
    assert not db.one("select pg_has_role(%s, 'tollway_owner', 'member')", role)


def test_every_function_pins_its_search_path(db: Database) -> None:
    """A caller's schema before ours would let him give us his functions. Inlined SQL that qualifies everything needs no pin."""
    rows = db.rows(
        "select p.proname from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace = 'absurd'::regnamespace "
        "and not coalesce('search_path=pg_catalog, pg_temp' = any(p.proconfig), false) and (p.prosecdef or l.lanname <> 'sql')"
    )

    assert rows == []


def test_public_functions_that_touch_tables_act_as_the_owner(db: Database) -> None:
    owners = db.rows("select distinct p.proowner::regrole::text from pg_proc p where p.pronamespace = 'absurd'::regnamespace")

    assert owners == [("tollway_owner",)]
    assert db.one("select rolcanlogin from pg_roles where rolname = 'tollway_owner'") is False


STATEMENTS = [
    "update absurd.task set priority = 1",
    "insert into absurd.task (task_id) values (absurd.portable_uuidv7())",
    "delete from absurd.task",
    "truncate absurd.task",
    "copy absurd.task from program 'true'",
    "copy absurd.task from stdin",
    "update absurd.workflow_run set status = 'completed'",
    "delete from absurd.absurd_event_log",
    "delete from absurd.checkpoint",
    "update absurd.queues set dropping = true",
    "insert into absurd.transition values ('completed', 'pending', 'x', 'x')",
    "select * from absurd.task for update",
    "do $$ begin lock table absurd.task in access exclusive mode; end $$",
    "alter table absurd.task disable trigger all",
    "drop trigger zzz_gate_check_update on absurd.task",
    "create or replace function absurd.current_time() returns timestamptz language sql as 'select now()'",
    "create function absurd.mine() returns int language sql as 'select 1'",
    "select absurd._wake('{}')",
    "select * from absurd._repaired('x', 'q', null, null, null)",
    "select absurd._cancel_by_rule(absurd.portable_uuidv7(), now())",
    "set session_replication_role = replica",
    "set role tollway_owner",
    "update absurd.t_q set state = 'completed'",
    "insert into absurd.w_q select * from absurd.w_q",
]


@pytest.mark.parametrize("member", ROLES, indirect=True)
def test_a_member_gets_nowhere_around_the_functions(db: Database, member: psycopg.Connection[Any]) -> None:
    spawn(db)
    before = db.rows("select * from absurd.task")

    outcomes = {}
    for statement in STATEMENTS:
        try:
            member.execute(statement)  # type: ignore[call-overload]
            outcomes[statement] = "went through"
        except psycopg.Error as error:
            outcomes[statement] = error.sqlstate or type(error).__name__

    assert {s: o for s, o in outcomes.items() if o not in ("42501", "TW103")} == {}
    assert db.rows("select * from absurd.task") == before


@pytest.mark.parametrize("member", [CLIENT], indirect=True)
def test_a_client_starts_tasks_and_reads_their_results(db: Database, member: psycopg.Connection[Any]) -> None:
    row = member.execute("select task_id from absurd.spawn_task('q', 'work', '1')").fetchone()
    assert row is not None
    task = claim_one(db)
    assert task.task_id == row[0]
    db.one("select absurd.complete_run('q', %s, '2') is null", task.run_id)

    assert member.execute("select state, result from absurd.get_task_result('q', %s)", (task.task_id,)).fetchone() == ("completed", 2)
    assert db.one("select login_role from absurd.absurd_event_log where task_id = %s and seq = 1", task.task_id) == member.info.user


@pytest.mark.parametrize("member", [WORKER], indirect=True)
def test_a_worker_runs_tasks_with_its_own_rights_alone(db: Database, member: psycopg.Connection[Any]) -> None:
    spawn(db)
    request = {"queue": "q", "worker": "w", "ops": [], "claim": {"qty": 1, "lease": 30}}
    row = member.execute("select absurd.worker_sync(%s)", (json.dumps(request),)).fetchone()
    assert row is not None
    (claimed,) = row[0]["claims"]
    ops = [
        {"n": 0, "op": "checkpoint", "task_id": claimed["task_id"], "epoch": claimed["claim_epoch"], "step": "s", "state": 1},
        {"n": 1, "op": "complete", "task_id": claimed["task_id"], "epoch": claimed["claim_epoch"], "result": 2},
    ]
    row = member.execute("select absurd.worker_sync(%s)", (json.dumps({**request, "ops": ops}),)).fetchone()

    assert row is not None
    assert [o["status"] for o in row[0]["ops"]] == ["ok", "ok"]
    assert db.verify() == []


@pytest.mark.parametrize("member", [OPERATOR], indirect=True)
def test_an_operator_cancels_cleans_up_and_repairs(db: Database, member: psycopg.Connection[Any]) -> None:
    task = running(db)
    member.execute("select absurd.create_queue('mine')")
    member.execute("select absurd.cancel_task('q', %s, 'enough')", (task.task_id,))
    member.execute("select absurd.cleanup_all_queues()")
    member.execute("select * from absurd.repair()")
    assert member.execute("select * from absurd.verify() where invariant <> 'clock_is_the_databases'").fetchall() == []
    assert member.execute("select state from absurd.t_q").fetchall() == [("cancelled",)]
    member.execute("select absurd.drop_queue('mine')")

    assert db.one("select error ->> 'by' from absurd.workflow_run") == member.info.user


@pytest.mark.parametrize("member", [CLIENT], indirect=True)
def test_a_callers_own_objects_are_never_called_for_ours(db: Database, member: psycopg.Connection[Any]) -> None:
    """A temporary schema, an operator of the caller's: the pinned search_path passes them by."""
    member.execute("create temp table task (task_id uuid); create temp table queues (queue_name text)")
    member.execute("create function pg_temp.current_time() returns timestamptz language sql as $$ select 'infinity'::timestamptz $$")
    member.execute("set search_path = pg_temp, absurd, public")

    member.execute("select * from spawn_task('q', 'work', '1')")

    assert db.one("select available_at < 'infinity' from absurd.task")
    assert db.one("select via from absurd.absurd_event_log where seq = 1") == "spawn_task"
    assert member.execute("select count(*) from pg_temp.task").fetchone() == (0,)


def test_set_role_is_logged_beside_the_login_role(db: Database) -> None:
    db.conn.execute("set role tollway_client")
    task_id = spawn(db)
    db.conn.execute("reset role")

    assert db.one("select login_role = session_user, set_role from absurd.absurd_event_log where task_id = %s", task_id) == (
        True,
        CLIENT,
    )


def test_a_matrix_with_a_new_function_fails_control(db: Database) -> None:
    """What the first test here relies on: an unexpected function is seen."""
    db.conn.execute("create function absurd.newcomer() returns int language sql as 'select 1'")

    with pytest.raises(AssertionError):
        test_each_function_may_be_executed_by_those_named_here_and_nobody_else(db)
    assert refused(db, "select absurd.newcomer()") is None
