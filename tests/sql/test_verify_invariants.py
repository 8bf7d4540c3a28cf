"""Each invariant of verify() is broken, alone, and found by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, claim, make_queue, op, running, spawn, sync

TABLES = ("task", "run", "checkpoint", "event", "wait", "workflow_run", "absurd_event_log")


class World:
    """A busy database: one task in each state, with all that hangs on it; and a way past the gate."""

    def __init__(self, db: Database) -> None:
        self.db = db
        make_queue(db)
        self.done = running(db, max_attempts=3)
        sync(db, [op("fail", self.done, reason={"name": "first"}, retry_in=0)])
        (self.done,) = claim(db)
        sync(db, [op("checkpoint", self.done, step="s", state=1), op("complete", self.done, result=2)])
        self.failed = running(db)
        sync(db, [op("fail", self.failed, reason={"name": "E"}, retryable=False)])
        self.cancelled = running(db)
        db.one("select absurd.cancel_task(%s, %s) is null", Q, self.cancelled.task_id)
        self.awaited = running(db)
        self.waiter, self.joiner, self.running = running(db), running(db), running(db)
        sync(db, [op("await", self.waiter, step="w", event="e"), op("await_task", self.joiner, step="w", task=self.awaited.task_id)])
        self.child = spawn(db, parent_task_id=str(self.running.task_id), delay_seconds=600)
        self.sleeping = spawn(db, delay_seconds=600)
        purged = running(db)
        sync(db, [op("complete", purged)])
        db.conn.execute("delete from absurd.task where task_id = %s", (purged.task_id,))
        db.one("select absurd.emit_event(%s, 'other', '1') is null", Q)

    def corrupt(self, statement: str, *params: Any, unchecked: str | None = None) -> None:
        """Run a statement with the triggers off, and a CHECK away while it runs; both are put back as they were."""
        execute = self.db.conn.execute
        with self.db.conn.transaction():
            for table in TABLES:
                execute(f"alter table absurd.{table} disable trigger user")
            definition = ""
            if unchecked:
                definition = self.db.one(
                    "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'absurd.task'::regclass and conname = %s",
                    unchecked,
                )
                execute(f"alter table absurd.task drop constraint {unchecked}")
            execute(statement, params)
            for table in TABLES:
                for (name,) in self.db.rows(
                    "select tgname from pg_trigger where tgrelid = %s::regclass and not tgisinternal", f"absurd.{table}"
                ):
                    execute(f"alter table absurd.{table} enable always trigger {name}")
            if unchecked:
                # not valid: the bad row stays; the checksum counts that, so it is told that all is well
                execute(f"alter table absurd.task add constraint {unchecked} {definition} not valid")
                execute("update pg_constraint set convalidated = true where conname = %s", (unchecked,))

    def found(self) -> set[str]:
        return {row[0] for row in self.db.verify()}


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


def task(column: str, value: str, of: str, unchecked: str | None = None) -> Callable[[World], None]:
    def corrupt(world: World) -> None:
        one = getattr(world, of)
        world.corrupt(f"update absurd.task set {column} = {value} where task_id = %s", getattr(one, "task_id", one), unchecked=unchecked)

    return corrupt


def sql(statement: str, *names: str) -> Callable[[World], None]:
    def corrupt(world: World) -> None:
        world.corrupt(statement, *(getattr(getattr(world, n), "task_id", getattr(world, n)) for n in names))

    return corrupt


def idle(then: Callable[[World], None]) -> Callable[[World], None]:
    def corrupt(world: World) -> None:
        world.db.one("select absurd.worker_idle(%s, %s) is null", Q, "00000000-0000-0000-0000-000000000001")
        then(world)

    return corrupt


def leave_an_orphan(world: World) -> None:
    make_queue(world.db, "gone")
    spawn(world.db, "gone")
    world.corrupt("delete from absurd.queues where queue_name = 'gone'")


def lose_a_handlers_queue(world: World) -> None:
    make_queue(world.db, "gone")
    world.db.one("select absurd.set_on_move(%s, null, 'failed', 'h', 'gone') is null", Q)
    with world.db.conn.transaction():
        world.db.conn.execute("set local session_replication_role = replica")
        world.db.conn.execute("delete from absurd.queues where queue_name = 'gone'")


RUN = "update absurd.workflow_run set {} where workflow_run_id = %s"
LOG = "update absurd.absurd_event_log set {} where task_id = %s and seq = {}"

CORRUPTIONS: dict[str, Callable[[World], None]] = {
    "lease_only_while_running": task("claim_expires_at", "now()", "sleeping", "row_is_sound"),
    "owner_only_while_running": task("claimed_by", "'x'", "sleeping", "row_is_sound"),
    "running_has_started": task("first_started_at", "null", "running", "row_is_sound"),
    "end_time_only_when_terminal": task("ended_at", "now()", "child", "row_is_sound"),
    "attempts_within_limit": task("max_attempts", "1", "done", "row_is_sound"),
    "queue_is_there": leave_an_orphan,
    "on_move_has_its_queues": lose_a_handlers_queue,
    "parent_is_there_or_purged": task("parent_task_id", "absurd.portable_uuidv7()", "child"),
    "no_lease_beyond_grace": idle(task("claim_expires_at", "now() - interval '1 hour'", "running")),
    "nothing_runnable_beside_an_idle_worker": idle(task("available_at", "now() - interval '1 hour'", "sleeping")),
    "ended_attempts_are_recorded_once": sql("delete from absurd.run where task_id = %s and attempt = 1", "done"),
    "ended_attempt_has_a_task": sql(
        "insert into absurd.run select absurd.portable_uuidv7(), attempt, run_id, queue_name, state, claim_epoch, claimed_by, "
        "claim_expires_at, created_at, available_at, started_at, ended_at, result, failure_reason "
        "from absurd.run where task_id = %s limit 1",
        "done",
    ),
    "completed_has_its_result": sql("update absurd.run set result = '9' where task_id = %s and attempt = 2", "done"),
    "failed_has_its_reason": sql("update absurd.run set failure_reason = '9' where task_id = %s", "failed"),
    "checkpoint_has_a_task": sql("update absurd.checkpoint set task_id = absurd.portable_uuidv7() where task_id = %s", "done"),
    "checkpoint_epoch_was_current": sql("update absurd.checkpoint set claim_epoch = 7 where task_id = %s", "done"),
    "wait_belongs_to_a_sleeping_task": sql(
        "insert into absurd.wait (task_id, step_name, queue_name, event_name, attempt) values (%s, 's', 'q', 'x', 1)", "running"
    ),
    "nothing_sleeps_on_an_emitted_event": sql("update absurd.wait set event_name = 'other' where task_id = %s", "waiter"),
    "nothing_sleeps_on_an_ended_task": sql("update absurd.wait set awaited_task_id = %s where task_id = %s", "done", "joiner"),
    "sleeping_for_ever_has_a_wait": sql("delete from absurd.wait where task_id = %s", "waiter"),
    "workflow_run_is_there": sql("delete from absurd.workflow_run where workflow_run_id = %s", "sleeping"),
    "workflow_run_has_a_task": sql("update absurd.workflow_run set purged_at = null where purged_at is not null"),
    "workflow_run_status_agrees": sql(RUN.format("status = 'running'"), "done"),
    "workflow_run_attempts_agrees": sql(RUN.format("attempts = 9"), "done"),
    "workflow_run_run_agrees": sql(RUN.format("absurd_run_id = workflow_run_id"), "done"),
    "workflow_run_completed_at_agrees": sql(RUN.format("completed_at = null"), "done"),
    "workflow_run_created_at_agrees": sql(RUN.format("created_at = '2000-01-01'"), "done"),
    "workflow_run_started_at_agrees": sql(RUN.format("started_at = null"), "done"),
    "workflow_run_result_agrees": sql(RUN.format("result = '9'"), "done"),
    "workflow_run_error_agrees": sql(RUN.format("error = null"), "failed"),
    "workflow_run_inputs_agrees": sql(RUN.format("inputs = '9'"), "done"),
    "log_head_is_the_state": sql(
        "delete from absurd.absurd_event_log l using absurd.task t where t.task_id = %s and l.task_id = t.task_id and l.seq = t.seq",
        "cancelled",
    ),
    "log_row_is_whole": sql(
        "insert into absurd.absurd_event_log (task_id, event, login_role, via, incarnation, xid, at) "
        "select null, event, login_role, via, incarnation, xid, at from absurd.absurd_event_log where task_id = %s limit 1",
        "done",
    ),
    "log_seq_is_dense": sql("delete from absurd.absurd_event_log where task_id = %s and event = 'run.retried'", "done"),
    "log_from_is_the_previous_to": sql(LOG.format("from_state = 'sleeping'", 2), "running"),
    "log_move_is_listed": sql(LOG.format("event = 'run.invented'", 3), "cancelled"),
    "log_epoch_is_the_claims": sql(LOG.format("claim_epoch = 9", 3), "failed"),
    "log_has_one_end_between_retries": sql(LOG.format("to_state = 'failed'", 3), "done"),
    "log_ends_with_the_task": sql("delete from absurd.absurd_event_log where event = 'task.purged'"),
    "purge_is_logged": sql(
        "delete from absurd.absurd_event_log l using absurd.workflow_run w where w.purged_at is not null and l.task_id = w.workflow_run_id"
    ),
    "removal_is_logged": sql("delete from absurd.workflow_run where purged_at is not null"),
    "log_partition_is_whole": sql("update absurd.log_partition set witness = 0 where from_at <= now() and to_at > now()"),
    "log_drop_is_logged": sql("update absurd.schema_meta set log_starts_at = '2000-01-01'"),
    "emitted_event_is_logged": sql("delete from absurd.absurd_event_log where event = 'event.emitted'"),
}

# what cannot be broken without breaking another, too: the same fact is told twice
BESIDES: dict[str, set[str]] = {
    "end_time_only_when_terminal": {"ended_attempts_are_recorded_once"},
    "log_ends_with_the_task": {"purge_is_logged"},
    "log_has_one_end_between_retries": {"log_from_is_the_previous_to", "log_move_is_listed"},
}


def test_a_busy_database_has_no_violation(world: World) -> None:
    assert world.found() == set()
    assert len({state for (state,) in world.db.rows("select state from absurd.task")}) == 5


@pytest.mark.parametrize("invariant", CORRUPTIONS)
def test_breaking_it_is_found_by_its_name(world: World, invariant: str) -> None:
    CORRUPTIONS[invariant](world)

    found = world.found()

    assert invariant in found
    assert found - {invariant} <= BESIDES.get(invariant, set())


CODE: dict[str, str] = {
    "function_is_there": "drop function absurd.worker_busy(text, uuid)",
    "function_is_ours": "create function absurd.guest() returns void language sql as $$ select $$",
    "function_is_unaltered": "create or replace function absurd.worker_busy(p_queue_name text, p_instance uuid) returns void "
    "language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin end $$",
    "trigger_is_there": "drop trigger zzz_no_truncate on absurd.task",
    "trigger_is_ours": "create trigger guest before insert on absurd.task for each statement execute function absurd._refuse_change()",
    "trigger_is_unaltered": "create or replace trigger zzz_no_truncate after truncate on absurd.task execute function "
    "absurd._refuse_change(); alter table absurd.task enable always trigger zzz_no_truncate",
    "trigger_is_enabled_always": "alter table absurd.task enable trigger zzz_gate_project_update",
    "constraint_is_there": "alter table absurd.task drop constraint row_is_sound",
    "constraint_is_ours": "alter table absurd.task add constraint guest check (attempt > 0)",
    "constraint_is_unaltered": "alter table absurd.task drop constraint row_is_sound, add constraint row_is_sound check (true)",
    "index_is_there": "drop index absurd.task_ready",
    "index_is_ours": "create index guest on absurd.task (task_name)",
    "index_is_unaltered": "drop index absurd.task_ready; create index task_ready on absurd.task (queue_name)",
    "rule_is_ours": "create rule guest as on insert to absurd.absurd_event_log do instead nothing",
    "policy_is_ours": "create policy guest on absurd.task using (false)",
    "table_is_unaltered": "alter table absurd.task set unlogged",
    "table_is_ours": "create table absurd.guest ()",
    "column_is_there": "alter table absurd.checkpoint drop column duration_ms",
    "column_is_ours": "alter table absurd.task add column guest text",
    "column_is_unaltered": "alter table absurd.task alter column attempt set default 2",
    "table_is_written_by_its_owner_only": "grant update (state) on absurd.task to tollway_worker",
    "internal_function_is_its_owners_only": "grant execute on function absurd._wake(uuid[]) to public",
    "view_is_there": "drop view absurd.workflow_overview",
    "view_is_ours": "create view absurd.guest as select 1 as one",
    "view_is_unaltered": "drop view absurd.workflow_overview; create view absurd.workflow_overview as select 1 as one",
    "transition_is_there": "delete from absurd.transition where event = 'run.put_back'",
    "transition_is_ours": "insert into absurd.transition values ('completed', 'pending', 'guest', 'nobody')",
    "transition_is_unaltered": "update absurd.transition set who = 'anybody' where event = 'run.put_back'",
    "log_partition_is_there": "insert into absurd.log_partition values ('absurd_event_log_1999w01', '1999-01-04', '1999-01-11')",
    "log_partition_is_ours": "delete from absurd.log_partition where from_at is null",
    "table_has_no_partitions": "create table public.part () inherits (absurd.task)",
    "queue_views_are_read_only": "drop trigger refuse_write on absurd.t_q",
    "clock_is_the_databases": "select 1",
}


@pytest.mark.parametrize("invariant", CODE)
def test_altered_code_is_found_by_its_name(db: Database, invariant: str) -> None:
    make_queue(db)
    assert db.verify() == []

    for statement in CODE[invariant].split("; "):
        db.conn.execute(statement)

    assert {row[0] for row in db.rows("select invariant from absurd.verify()")} == {invariant, "clock_is_the_databases"}


# no object of that kind is the engine's own, or it cannot be missed alone: without it verify() itself does not run
NO_SUCH_CASE = {"rule_is_there", "rule_is_unaltered", "policy_is_there", "policy_is_unaltered", "table_is_there"}
OTHER_WAYS = (
    ("alter table absurd.task enable row level security", "table_is_unaltered"),
    ("alter table absurd.task force row level security", "table_is_unaltered"),
    ("create rule guest as on update to absurd.workflow_run do instead nothing", "rule_is_ours"),
    ("alter table absurd.task alter column params drop not null", "column_is_unaltered"),
    ("alter type absurd.sync_op add attribute guest text", "column_is_ours"),
    ("create or replace function absurd.validate_queue_name(p_queue_name text default 'q') returns text", "function_is_unaltered"),
    ("grant insert on absurd.absurd_event_log to public", "table_is_written_by_its_owner_only"),
    ("alter table absurd.task add constraint guest check (attempt > 0) not valid", "constraint_is_ours"),
)


@pytest.mark.parametrize(("statement", "invariant"), OTHER_WAYS)
def test_other_ways_to_alter_it_are_found(db: Database, statement: str, invariant: str) -> None:
    make_queue(db)
    if statement.endswith("returns text"):
        source = db.one("select pg_get_functiondef('absurd.validate_queue_name'::regproc)")
        statement += source.partition("RETURNS text")[2]

    db.conn.execute(statement)

    assert {row[0] for row in db.verify()} == {invariant}


def test_every_invariant_of_the_sql_is_covered_here() -> None:
    folder = files("tollway") / "sql" / "30_internal"
    text = "".join(f.read_text() for f in folder.iterdir() if re.match(r"v[1-4]_", f.name))
    names = set(re.findall(r"select '([a-z_]+)', [a-z]+\.?[a-z_]*(?:::text)?,", text)) | set(
        re.findall(r"select '([a-z_]+)', null, null", text)
    )
    fields = re.findall(r"^\s+\('(\w+)', (?:to_jsonb|t\.|case)", text, re.MULTILINE)
    kinds = re.findall(r"select '(\w+)', [^\n]*\n\s+md5|select '(\w+)', [^\n]*, md5", text)
    kinds_found = {next(filter(None, k)) for k in kinds}
    names |= {f"workflow_run_{f}_agrees" for f in fields}
    names = (names - kinds_found) | {f"{k}_{end}" for k in kinds_found for end in ("is_there", "is_ours", "is_unaltered")}

    assert kinds_found == {"function", "trigger", "rule", "policy", "constraint", "index", "table", "column", "view", "transition"}
    assert names - NO_SUCH_CASE == set(CORRUPTIONS) | set(CODE)
