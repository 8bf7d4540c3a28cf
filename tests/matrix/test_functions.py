"""Every function that can move a state, by everybody who can call it: what it owes is written, column by column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.database import Database
from matrix.actors import METHODS, SDK_CALLS, Login, NodeSdk, RawSql, ReplicaSql
from matrix.all_rows import ROWS
from matrix.run import Cell, actors, run_matrix
from matrix.scenes import SCENES

# functions that an actor has no way to call, told once more by hand
CRON = {"enable_cron", "disable_cron", "schedule_detach_jobs", "list_detach_candidates", "drop_detached_partition", "ensure_partitions"}
PLAIN = {
    "current_time", "get_schema_version", "portable_uuidv7", "uuidv7_timestamp", "uuidv7_floor", "week_bucket_utc", "partition_week_tag",
    "retry_delay_seconds", "validate_queue_name", "ensure_queue_tables", "run_id_of", "task_id_of",
}  # fmt: skip
NOT_IN_OUR_CLIENTS = CRON | PLAIN | {"claim_task", "record_step", "record_steps"}
NOT_IN_THE_SDK = CRON | PLAIN | {
    "claim_tasks", "spawn_tasks", "heartbeat", "release_claims", "record_step", "record_steps", "worker_sync",
    "worker_idle", "worker_busy", "set_on_move",
    "remove_on_move", "list_on_move", "verify", "repair", "cleanup_tasks", "cleanup_events", "cleanup_all_queues",
    "cleanup_workflow_runs", "drop_log_before",
}  # fmt: skip
# called by functions that run as their caller; they read the catalog
INTERNAL_BUT_EXECUTABLE = {"_named_queue", "_cron_lacks", "_require_cron", "_cron_scope"}


def functions(db: Database, pattern: str) -> set[str]:
    rows = db.rows("select proname from pg_proc where pronamespace = 'absurd'::regnamespace and proname ~ %s", pattern)
    return {name for (name,) in rows}


def test_every_cell_is_as_owed(cells: list[Cell]) -> None:
    wrong = [f"{cell.name}: {'; '.join(cell.problems)}" for cell in cells if cell.problems]

    assert not wrong, "\n".join(wrong)


def test_every_public_function_has_a_row(db: Database) -> None:
    public = functions(db, "^[^_]")

    assert {function for row in ROWS for function in row.functions} == public
    assert public - METHODS.keys() == NOT_IN_OUR_CLIENTS
    assert public - SDK_CALLS.keys() == NOT_IN_THE_SDK


def test_nobody_may_execute_an_internal_function(db: Database) -> None:
    """What has no row cannot be called: not by the roles, not by PUBLIC."""
    callable_by_roles = db.rows(
        """select distinct p.proname from pg_proc p, unnest(array['tollway_worker', 'tollway_client', 'tollway_operator',
             'tollway_reader', 'pg_monitor']) r(name)
           where p.pronamespace = 'absurd'::regnamespace and p.proname ~ '^_' and has_function_privilege(r.name, p.oid, 'execute')"""
    )

    assert {name for (name,) in callable_by_roles} == INTERNAL_BUT_EXECUTABLE


def test_every_scene_is_used_and_every_actor_ran(cells: list[Cell], sdk: Any, node: Path | None) -> None:
    wanted = {"raw SQL", "own function", "Client", "AsyncClient"} | ({"absurd-sdk"} if sdk else set()) | ({NodeSdk.name} if node else set())

    assert {cell.actor for cell in cells} == wanted
    assert {row.scene for row in ROWS} == SCENES.keys()


def test_both_foreign_sdks_make_the_same_calls(db: Database, node: Path | None) -> None:
    if node is None:
        pytest.skip("Node.js or the package index is not there")
    actor = NodeSdk(db.dsn, node)

    assert actor.calls == SDK_CALLS.keys()
    actor.close()


def test_the_foreign_sdk_was_there(sdk: Any) -> None:
    if sdk is None:
        pytest.skip("absurd-sdk is not installed, and the package index could not be reached")

    assert sdk.__name__ == "absurd_sdk"


MOVING = [row for row in ROWS if row.changes]


def test_a_replica_session_owes_the_same(db: Database) -> None:
    """The gate is ENABLE ALWAYS: through the functions, too, nothing of it is silent there."""
    cells = run_matrix(db.dsn, MOVING, [ReplicaSql(db.dsn)])

    assert len(cells) == sum(len(row.functions) for row in MOVING)
    assert [(cell.name, cell.problems) for cell in cells if cell.problems] == []


def test_an_ordinary_login_owes_the_same_and_the_log_names_it(db: Database) -> None:
    """It may write no table; what the functions write for it has its name, not their owner's."""
    login = f"m_{db.one('select current_database()')}"
    db.conn.execute(f"create role {login} login in role tollway_worker, tollway_client, tollway_operator")
    try:
        cells = run_matrix(db.dsn, ROWS, [Login(db.dsn, login)])
    finally:
        db.conn.execute(f"drop role {login}")

    assert [(cell.name, cell.problems) for cell in cells if cell.problems] == []


def test_without_the_gates_second_half_the_matrix_is_wrong(db: Database) -> None:
    """The control: nothing writes the log, workflow_run and the wake-ups, and each move's cell says so."""
    for event in ("insert", "update", "delete"):
        db.conn.execute(f"drop trigger zzz_gate_project_{event} on absurd.task")

    cells = run_matrix(db.dsn, MOVING, actors(db.dsn, None), verify=False)

    assert {cell.row.name for cell in cells} == {row.name for row in MOVING}
    assert [cell.name for cell in cells if not any("log" in problem for problem in cell.problems)] == []


REFUSED = "refused with TW102"  # by workflow_run's own trigger, which compares it with the task
FEW = [row for row in MOVING if row.functions[0] in ("complete_run", "cancel_task", "emit_event", "fail_run", "retry_task")]


def without(db: Database, function: str, text: str, instead: str) -> None:
    """That function with other text in one place."""
    source = db.one("select pg_get_functiondef(%s::regproc)", f"absurd.{function}")
    assert source.count(text) == 1, text
    db.conn.execute(source.replace(text, instead))


@pytest.mark.parametrize(
    ("taken", "missed"),
    [
        ("update absurd.workflow_run w", "workflow_run of task.status"),
        ("perform absurd._wake_awaiters", "log rows of awaiter"),
        ("perform absurd._notify_idle", "0 notifications"),
        ("perform absurd._cancel_children", "log rows of child"),
        ("delete from absurd.wait w", "waits"),
        ("insert into absurd.run ", "ended attempts"),
    ],
)
def test_without_one_effect_the_matrix_says_which(db: Database, taken: str, missed: str) -> None:
    """One statement of the gate's second half is taken out; the matrix names what is missing."""
    source = db.one("select pg_get_functiondef('absurd._gate_project'::regproc)")
    before, found, rest = source.partition(taken)
    assert found, taken
    db.conn.execute(before + "perform 1" + rest[rest.index(";") :])

    cells = run_matrix(db.dsn, FEW, [RawSql(db.dsn)], verify=False)

    assert any(missed in problem for cell in cells for problem in cell.problems)


@pytest.mark.parametrize(
    ("function", "text", "instead", "missed"),
    [
        ("_gate_project", "completed_at = n.ended_at", "completed_at = w.completed_at", REFUSED),
        ("_gate_project", "result = n.result", "result = w.result", REFUSED),
        ("_gate_project", "error = case when n.state in ('failed', 'cancelled') then n.error end,", "", REFUSED),
        ("_gate_project", "attempts = n.attempt,", "", REFUSED),
        ("_gate_project", "started_at = coalesce(w.started_at, n.started_at)", "started_at = n.started_at",
         "workflow_run of task.started_at"),
        ("_gate_project", "updated_at = absurd.current_time()", "updated_at = w.updated_at", "workflow_run of task.updated_at"),
        ("_gate_project", "else absurd.run_id_of(n.task_id, n.attempt) end,\n", "else w.absurd_run_id end,\n", REFUSED),
        ("_gate_project", "a.application_name, a.via, n.move_detail", "a.application_name, 'sql', n.move_detail", "log 1 of task.via"),
        ("_gate_project", "a.via, n.move_detail", "a.via, null", "log 1 of task.detail"),
        ("_gate_project", "coalesce(n.claimed_by, n.last_worker)", "n.claimed_by", "log 1 of task.worker"),
        ("_gate_project", "select n.queue_name, n.task_id, n.seq,", "select n.queue_name, n.task_id, n.seq + 1,", "log 1 of task.seq"),
        ("_gate_project", "'cancelled') then n.state else 'failed' end, n.claim_epoch", "'cancelled') then n.state else 'failed' end, 0",
         "run 1 of task.claim_epoch"),
        ("_gate_project", "n.ended_started_at,\n", "n.ended_created_at,\n", "run 1 of task.started_at"),
        ("_actor", "select session_user, nullif", "select current_user, nullif", "login_role"),
        ("_actor", "pg_current_xact_id(), (select absurd.current_time())", "pg_current_xact_id(), clock_timestamp()", ".at is"),
        ("_notify_idle", "pg_notify('absurd_work', q.name)", "pg_notify('absurd_work', '')", "owed: some, of its queue"),
        ("_event_project", "'woken', (", "'awake', (", "log event.emitted.detail"),
        ("_wake", "event_payload = d.payload", "event_payload = null", "task.event_payload"),
        ("_gate_project_delete", "purged_at = absurd.current_time(), ", "", "purged_at"),
    ],
)  # fmt: skip
def test_one_wrong_column_is_seen(db: Database, function: str, text: str, instead: str, missed: str) -> None:
    """Every column of a projection is compared: none may be left as it was, or say something else."""
    without(db, function, text, instead)
    login = f"m_{db.one('select current_database()')}"
    db.conn.execute(f"create role {login} login in role tollway_worker, tollway_client, tollway_operator")
    try:
        rows = [*FEW, *(row for row in MOVING if row.functions[0] in ("cleanup_tasks", "claim_task"))]
        cells = run_matrix(db.dsn, rows, [Login(db.dsn, login)], verify=False)
    finally:
        db.conn.execute(f"drop role {login}")

    assert any(missed in problem for cell in cells for problem in cell.problems)
