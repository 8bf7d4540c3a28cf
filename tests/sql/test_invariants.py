"""Every invariant of verify() has its own name, and a corruption of exactly it is reported under exactly that name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from fixtures.database import Database
from tollway.schema.files import SQL_DIR

TABLES = ("task", "run", "checkpoint", "event", "wait", "workflow_run", "absurd_event_log")


@dataclass(frozen=True)
class World:
    """A database with a task in every state, by name."""

    db: Database
    ids: dict[str, Any]

    def corrupt(self, *statements: str, without: tuple[str, ...] = ()) -> set[str]:
        """What verify() names after statements that went around every guard; `without` names constraints in the way."""
        run = self.db.conn.execute
        for table in TABLES:
            run(f"alter table absurd.{table} disable trigger user")
        for constraint in without:
            table, name = constraint.split(".")
            run(f"alter table absurd.{table} drop constraint {name}")
        for statement in statements:
            assert run(statement, self.ids).rowcount != 0, statement
        triggers = self.db.rows(
            "select tgrelid::regclass::text, tgname from pg_trigger where not tgisinternal and tgenabled = 'D'"
            " and tgrelid::regclass::text like 'absurd.%%'"
        )
        for table, trigger in triggers:
            run(f"alter table {table} enable always trigger {trigger}")
        names = {row[0] for row in self.db.verify()}
        # a missing constraint is reported, too, as it should be
        assert ("constraint_is_there" in names) == bool(without)
        return names - {"constraint_is_there"}


@pytest.fixture
def world(db: Database) -> World:
    """One of each: it is right, and verify() says so."""
    run = db.conn.execute
    run("select absurd.create_queue('q')")

    def spawn(options: str = "{}") -> Any:
        return db.one("select task_id from absurd.spawn_task('q', 't', '{\"n\": 1}', %s::jsonb)", options)

    def claim() -> Any:
        return db.one("select run_id from absurd.claim_task('q', 'w', 600)")

    ids: dict[str, Any] = {}
    ids["completed"] = spawn()
    first = claim()
    run("select absurd.set_task_checkpoint_state('q', %s, 'step', '1', %s)", (ids["completed"], first))
    run("select absurd.complete_run('q', %s, '{\"r\": 1}')", (first,))
    ids["failed"] = spawn('{"max_attempts": 2}')
    run("select absurd.fail_run('q', %s, '{\"name\": \"one\"}')", (claim(),))
    run("select absurd.fail_run('q', %s, '{\"name\": \"two\"}')", (claim(),))
    ids["cancelled"] = spawn()
    run("select absurd.cancel_task('q', %s)", (ids["cancelled"],))
    ids["waiting"] = spawn()
    run("select absurd.await_event('q', %s, %s, 'ev', 'never')", (ids["waiting"], claim()))
    ids["parent"] = spawn()
    claim()
    ids["child"] = spawn(f'{{"parent_task_id": "{ids["parent"]}", "delay_seconds": 3600}}')
    sync(db, ids["parent"], ids["child"])
    ids["purged"] = spawn('{"priority": -5}')
    run("select absurd.cancel_task('q', %s)", (ids["purged"],))
    run("delete from absurd.task where task_id = %s", (ids["purged"],))
    run("select absurd.emit_event('q', 'done', '1')")
    ids["running"] = spawn()
    claim()
    ids["pending"] = spawn()
    world = World(db, ids)
    assert db.verify() == []
    return world


def sync(db: Database, parent: Any, child: Any) -> None:
    answer = db.one(
        """select absurd.worker_sync(jsonb_build_object('queue', 'q', 'worker', 'w', 'ops', jsonb_build_array(
             jsonb_build_object('n', 0, 'op', 'await_task', 'task_id', %s::uuid, 'epoch', 1, 'step', 'c', 'task', %s::uuid))))""",
        parent,
        child,
    )
    assert answer["ops"][0]["outcome"] == "suspended"


SET = "update absurd.task set "
LOG = "update absurd.absurd_event_log set "
RUN = "update absurd.workflow_run set "
IDLE = "insert into absurd.waiter values ('q', gen_random_uuid(), absurd.current_time() + interval '1 hour')"

# invariant -> (constraints that stand in the way, statements)
CORRUPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "lease_only_while_running": (
        ("task.lease_only_while_running",),
        (SET + "claim_expires_at = now() + interval '1 hour' where task_id = %(pending)s",),
    ),
    "owner_only_while_running": (("task.owner_only_while_running",), (SET + "claimed_by = 'w' where task_id = %(pending)s",)),
    "running_has_started": (
        ("task.running_has_started", "task.claim_time_only_while_running"),
        (SET + "claimed_at = null where task_id = %(running)s",),
    ),
    "end_time_only_when_terminal": (
        ("task.end_time_only_when_terminal",),
        (
            SET + "ended_at = now() where task_id = %(pending)s",
            RUN + "completed_at = (select ended_at from absurd.task where task_id = %(pending)s) where workflow_run_id = %(pending)s",
            "insert into absurd.run select task_id, 1, absurd.run_id_of(task_id, 1), queue_name, 'cancelled', 1, null, null, now(), now(),"
            " null, now() from absurd.task where task_id = %(pending)s",
        ),
    ),
    "attempts_within_limit": (("task.attempts_within_limit",), (SET + "max_attempts = 1 where task_id = %(failed)s",)),
    "queue_is_there": (
        (),
        (
            "insert into absurd.absurd_event_log (queue_name, task_id, seq, workflow_run_id, event, from_state, to_state, login_role, via,"
            " incarnation, xid, at) select 'gone', '00000000-0000-7000-8000-000000000000', 1, '00000000-0000-7000-8000-000000000000',"
            " 'task.spawned', 'new', 'pending', 'x', 'sql', 1, '1', now()",
            "insert into absurd.task (task_id, queue_name, task_name, state, available_at, params, workflow_run_id, parent_task_id)"
            " values ('00000000-0000-7000-8000-000000000000', 'gone', 't', 'pending', now(), '1', %(parent)s, %(parent)s)",
        ),
    ),
    "parent_is_there_or_purged": ((), (SET + "parent_task_id = gen_random_uuid() where task_id = %(child)s",)),
    "no_lease_beyond_grace": ((), (IDLE, SET + "claim_expires_at = now() - interval '2 minutes' where task_id = %(running)s")),
    "nothing_runnable_beside_an_idle_worker": (
        (),
        (IDLE, SET + "available_at = now() - interval '2 minutes' where task_id = %(pending)s"),
    ),
    "ended_attempts_are_recorded_once": ((), ("delete from absurd.run where task_id = %(failed)s and attempt = 1",)),
    "ended_attempt_has_a_task": (
        (),
        (
            "insert into absurd.run select gen_random_uuid(), 1, run_id, queue_name, state, claim_epoch, claimed_by, claim_expires_at,"
            " created_at, available_at, started_at, ended_at from absurd.run where task_id = %(completed)s",
        ),
    ),
    "completed_has_its_result": ((), ("update absurd.run set result = '2' where task_id = %(completed)s",)),
    "failed_has_its_reason": ((), ("update absurd.run set failure_reason = '2' where task_id = %(failed)s and attempt = 2",)),
    "checkpoint_has_a_task": (
        (),
        ("insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, attempt, claim_epoch) values (%(purged)s, 's', 'q', 1, 1)",),
    ),
    "checkpoint_epoch_was_current": ((), ("update absurd.checkpoint set claim_epoch = 7 where task_id = %(completed)s",)),
    "wait_belongs_to_a_sleeping_task": (
        (),
        ("insert into absurd.wait (task_id, step_name, queue_name, event_name, attempt) values (%(pending)s, 's', 'q', 'e', 1)",),
    ),
    "nothing_sleeps_on_an_emitted_event": ((), ("update absurd.wait set event_name = 'done' where task_id = %(waiting)s",)),
    "nothing_sleeps_on_an_ended_task": ((), ("update absurd.wait set awaited_task_id = %(completed)s where task_id = %(parent)s",)),
    "sleeping_for_ever_has_a_wait": ((), ("delete from absurd.wait where task_id = %(waiting)s",)),
    "workflow_run_is_there": ((), ("delete from absurd.workflow_run where workflow_run_id = %(pending)s",)),
    "workflow_run_has_a_task": (
        (),
        (
            "insert into absurd.workflow_run select gen_random_uuid(), external_id, workflow_name, null, null, status, absurd_queue,"
            " absurd_run_id, inputs, result, error, tags, created_by, attempts, created_at, started_at, completed_at, updated_at"
            " from absurd.workflow_run where workflow_run_id = %(pending)s",
        ),
    ),
    "workflow_run_status_agrees": ((), (RUN + "status = 'running' where workflow_run_id = %(pending)s",)),
    "workflow_run_attempts_agrees": ((), (RUN + "attempts = 9 where workflow_run_id = %(pending)s",)),
    "workflow_run_run_agrees": ((), (RUN + "absurd_run_id = gen_random_uuid() where workflow_run_id = %(pending)s",)),
    "workflow_run_completed_at_agrees": ((), (RUN + "completed_at = null where workflow_run_id = %(completed)s",)),
    "workflow_run_created_at_agrees": ((), (RUN + "created_at = 'epoch' where workflow_run_id = %(pending)s",)),
    "workflow_run_result_agrees": ((), (RUN + "result = '2' where workflow_run_id = %(completed)s",)),
    "workflow_run_error_agrees": ((), (RUN + "error = null where workflow_run_id = %(failed)s",)),
    "workflow_run_inputs_agrees": ((), (RUN + "inputs = '2' where workflow_run_id = %(pending)s",)),
    "workflow_run_started_at_agrees": ((), (RUN + "started_at = null where workflow_run_id = %(running)s",)),
    "log_head_is_the_state": ((), (SET + "seq = 9 where task_id = %(pending)s",)),
    "log_seq_is_dense": ((), (LOG + "seq = 9 where task_id = %(purged)s and seq = 3",)),
    "log_from_is_the_previous_to": (
        (),
        (LOG + "from_state = 'sleeping' where task_id = %(cancelled)s and to_state = 'cancelled'",),
    ),
    "log_move_is_listed": ((), (LOG + "event = 'run.conjured' where task_id = %(cancelled)s and seq = 2",)),
    "log_epoch_is_the_claims": ((), (LOG + "claim_epoch = 9 where task_id = %(completed)s and seq = 3",)),
    "log_has_one_end_between_retries": (
        (),
        (
            LOG + "seq = 4 where task_id = %(purged)s and seq = 3",
            "insert into absurd.absurd_event_log (queue_name, task_id, seq, workflow_run_id, event, from_state, to_state, login_role, via,"
            " incarnation, xid, at) select queue_name, task_id, 3, workflow_run_id, 'task.cancelled', 'cancelled', 'cancelled', 'x', 'sql',"
            " 1, '1', now() from absurd.absurd_event_log where task_id = %(purged)s and seq = 2",
        ),
    ),
    "log_ends_with_the_task": ((), ("delete from absurd.absurd_event_log where task_id = %(purged)s and event = 'task.purged'",)),
    "emitted_event_is_logged": ((), ("delete from absurd.absurd_event_log where event = 'event.emitted'",)),
}

# two ends in a row are no listed move either: the second name is part of that corruption
ALSO = {"log_has_one_end_between_retries": {"log_move_is_listed"}}

CODE = {
    "function_is_there": "drop view absurd.workflow_overview; drop function absurd.get_schema_version()",
    "function_is_unaltered": "create or replace function absurd.get_schema_version() returns text language sql immutable as 'select ''9'''",
    "function_is_ours": "create function absurd.mine() returns int language sql as 'select 1'",
    "trigger_is_there": "drop trigger zzz_gate_project_update on absurd.task",
    "trigger_is_unaltered": "create or replace trigger zzz_no_update after update on absurd.run for each statement"
    " execute function absurd._refuse_change(); alter table absurd.run enable always trigger zzz_no_update",
    "trigger_is_ours": "create trigger mine before update on absurd.task for each statement execute function absurd._refuse_change()",
    "trigger_is_enabled_always": "alter table absurd.task enable trigger zzz_gate_check_update",
    "constraint_is_there": "alter table absurd.task drop constraint task_name_has_1_to_255_bytes",
    "constraint_is_ours": "alter table absurd.task add constraint mine check (true)",
    "constraint_is_unaltered": "alter table absurd.task drop constraint state_is_known;"
    " alter table absurd.task add constraint state_is_known check (state <> '')",
    "index_is_there": "drop index absurd.task_ready",
    "index_is_ours": "create index mine on absurd.task (state)",
    "index_is_unaltered": "drop index absurd.task_ready; create index task_ready on absurd.task (state)",
    "view_is_there": "drop view absurd.workflow_overview",
    "view_is_ours": "create view absurd.mine as select 1 as one",
    "view_is_unaltered": "drop view absurd.workflow_overview; create view absurd.workflow_overview as select 1 as one",
    "transition_is_there": "delete from absurd.transition where event = 'run.put_back'",
    "transition_is_ours": "insert into absurd.transition values ('completed', 'running', 'run.revived', 'nobody')",
    "transition_is_unaltered": "update absurd.transition set who = 'anybody' where event = 'run.put_back'",
    "table_has_no_partitions": "create table absurd.part () inherits (absurd.task)",
    "queue_views_are_read_only": "drop trigger refuse_write on absurd.t_q",
}
CODE_ALSO = {
    "function_is_there": {"view_is_there"},
    # an inherited table brings the constraints of its parent
    "table_has_no_partitions": {"constraint_is_ours"},
}


@pytest.mark.parametrize("invariant", CORRUPTIONS)
def test_a_corruption_of_exactly_one_invariant_is_named(world: World, invariant: str) -> None:
    without, statements = CORRUPTIONS[invariant]

    assert world.corrupt(*statements, without=without) == {invariant} | ALSO.get(invariant, set())


@pytest.mark.parametrize("invariant", CODE)
def test_a_guard_that_is_tampered_with_is_named(world: World, invariant: str) -> None:
    for statement in CODE[invariant].split(";"):
        world.db.conn.execute(statement)

    assert {row[0] for row in world.db.verify()} == {invariant} | CODE_ALSO.get(invariant, set())


def test_the_test_clock_is_reported(world: World) -> None:
    assert world.db.rows("select invariant from absurd.verify()") == [("clock_is_the_databases",)]


def test_every_name_that_verify_can_return_is_covered() -> None:
    told = set()
    for file in SQL_DIR.glob("30_internal/v*.sql"):
        told |= set(re.findall(r"select '([a-z_]+)', (?:[a-z]\.|e\.|null)", file.read_text()))
    fields = re.findall(r"\('(\w+)', ", (SQL_DIR / "30_internal" / "v3_verify_derived.sql").read_text())
    told |= {f"workflow_run_{field}_agrees" for field in fields if field in {"status", "attempts", "run", "completed_at", "created_at"}}
    told |= {f"workflow_run_{field}_agrees" for field in ("result", "error", "inputs")}
    kinds = re.findall(r"^  select '(\w+)', ", (SQL_DIR / "30_internal" / "v4_verify_code.sql").read_text(), re.MULTILINE)
    told -= set(kinds) & {"function", "trigger", "constraint", "index", "view", "transition"}

    assert told == set(CORRUPTIONS) | (set(CODE) | {"clock_is_the_databases"}) - {
        name for name in CODE if name.endswith(("_is_there", "_is_ours", "_is_unaltered"))
    }


@pytest.mark.parametrize(
    "invariant",
    [name for name in CORRUPTIONS if name.startswith("workflow_run_") and name != "workflow_run_has_a_task"]
    + ["wait_belongs_to_a_sleeping_task", "nothing_sleeps_on_an_emitted_event"],
)
def test_repair_mends_what_is_derived_and_logs_it(world: World, invariant: str) -> None:
    world.corrupt(*CORRUPTIONS[invariant][1])

    mended = world.db.rows("select action, task_id, before, after from absurd.repair()")

    assert len(mended) == 1
    assert world.db.verify() == []
    logged = world.db.rows("select detail from absurd.absurd_event_log where event = 'repaired'")
    assert [row[0]["action"] for row in logged] == [mended[0][0]]
    assert logged[0][0]["before"] == mended[0][2]
    assert logged[0][0]["after"] == mended[0][3]
    assert world.db.rows("select * from absurd.repair()") == []
