"""Every function that can move a state, by everybody who can call it: what it owes is written, column by column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.database import Database
from matrix.actors import METHODS, SDK_CALLS, NodeSdk, RawSql
from matrix.all_rows import ROWS
from matrix.run import Cell, actors, run_matrix
from matrix.scenes import SCENES

# functions that an actor has no way to call, told once more by hand
CRON = {"enable_cron", "disable_cron", "schedule_detach_jobs", "list_detach_candidates", "drop_detached_partition", "ensure_partitions"}
PLAIN = {
    "current_time", "get_schema_version", "portable_uuidv7", "uuidv7_timestamp", "uuidv7_floor", "week_bucket_utc", "partition_week_tag",
    "retry_delay_seconds", "validate_queue_name", "ensure_queue_tables", "run_id_of", "task_id_of",
}  # fmt: skip
NOT_IN_OUR_CLIENTS = CRON | PLAIN | {"claim_task", "record_step"}
NOT_IN_THE_SDK = CRON | PLAIN | {
    "claim_tasks", "spawn_tasks", "heartbeat", "release_claims", "record_step", "worker_sync", "worker_idle", "worker_busy", "set_on_move",
    "remove_on_move", "list_on_move", "verify", "repair", "cleanup_tasks", "cleanup_events", "cleanup_all_queues",
    "drop_log_before",
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


def test_without_the_gates_second_half_the_matrix_is_wrong(db: Database) -> None:
    """The control: nothing writes the log, workflow_run and the wake-ups, and each move's cell says so."""
    for event in ("insert", "update", "delete"):
        db.conn.execute(f"drop trigger zzz_gate_project_{event} on absurd.task")

    cells = run_matrix(db.dsn, MOVING, actors(db.dsn, None), verify=False)

    assert {cell.row.name for cell in cells} == {row.name for row in MOVING}
    assert [cell.name for cell in cells if not any("log" in problem for problem in cell.problems)] == []


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
    rows = [row for row in ROWS if row.changes and row.functions[0] in ("complete_run", "cancel_task", "emit_event")]
    db.conn.execute(before + "perform 1" + rest[rest.index(";") :])

    cells = run_matrix(db.dsn, rows, [RawSql(db.dsn)], verify=False)

    assert any(missed in problem for cell in cells for problem in cell.problems)
