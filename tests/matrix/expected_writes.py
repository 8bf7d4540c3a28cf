"""Writes that go round the functions: who is refused, with which SQLSTATE; what the gate records; what verify() finds. By hand.

The scene: task `running` (claimed by w1), `sleeping` (until the sixtieth second), `waiting` (for event e), `failed`, `completed`.
"""

from __future__ import annotations

from dataclasses import dataclass

ROLES = ("a worker's login", "a client's login", "an operator's login", "a reader's login")
OWNER = "the owner"
SUPERUSER = "a superuser"
REPLICA = "a superuser, session_replication_role = replica"
DENIED, VIEW, LEAVES, RECORD, MOVE = "42501", "TW103", "TW104", "TW102", "TW101"

STATE_TABLES = ("task", "run", "checkpoint", "event", "wait", "workflow_run", "absurd_event_log")
OTHER_TABLES = ("queues", "waiter", "follow_up", "on_move", "transition", "installed_code", "call_path", "schema_meta")
VIEWS = ("t_q", "r_q", "c_q", "e_q", "w_q")


@dataclass(frozen=True)
class Write:
    """A statement, and what comes of it."""

    statement: str
    refused: str | None = None
    logged: tuple[str, ...] = ()  # event: from > to of the rows that the gate writes, all via "sql"
    verify: tuple[str, ...] = ()  # the invariants that verify() names afterwards
    repair: tuple[str, ...] = ()  # what repair() then mends
    left: tuple[str, ...] = ()  # and what is left for people to judge
    note: str = ""
    data: str = ""  # of a COPY


# --- (k) the per-queue views -------------------------------------------------------------------------------------------------
VIEW_WRITES: dict[str, str] = {
    "insert": "insert into absurd.{view} default values",
    "update": "update absurd.{view} set {column} = {column}",
    "update of no row": "update absurd.{view} set {column} = {column} where false",
    "delete": "delete from absurd.{view}",
    "delete of no row": "delete from absurd.{view} where false",
    "copy": "copy absurd.{view} from stdin",
}
VIEW_COLUMN = {"t_q": "state", "r_q": "state", "c_q": "state", "e_q": "payload", "w_q": "step_name"}
# Postgres has no ENABLE ALWAYS for a view's triggers: in a replica session they are silent, and with them the write itself.
# truncate needs a table
VIEW_ODDITIES = {"truncate absurd.{view}": "42809"}

# --- (l) the tables: an ordinary role may write none -------------------------------------------------------------------------
TABLE_WRITES = ("insert into absurd.{table} default values", "delete from absurd.{table}", "truncate absurd.{table}",
                "copy absurd.{table} from stdin", "lock absurd.{table}")  # fmt: skip

# --- (l) the owner, and a superuser with session_replication_role = replica: the triggers are ENABLE ALWAYS for both ----------
HOLD = "claimed_by = 'x', claimed_at = now(), claim_expires_at = now(), started_at = now(), first_started_at = now(), claim_epoch = {}"
COPY_ID = "01900000-0000-7000-8000-000001000000"
COPIED = "\t".join([COPY_ID, "q", "n", "{}", "2030-01-01", "1", COPY_ID]) + "\n"
ALWAYS = (
    # moves that absurd.transition lists are recorded like any other
    Write("update absurd.task set state = 'cancelled' where state = 'sleeping' and wake_event is null",
          logged=("task.cancelled: sleeping > cancelled",)),
    Write("update absurd.task set state = 'completed', result = '1' where state = 'running'",
          logged=("run.completed: running > completed",)),
    Write("update absurd.task set state = 'failed', error = '{}' where state = 'running'", logged=("run.failed: running > failed",)),
    Write("update absurd.task set state = 'sleeping', move_event = 'run.suspended', available_at = 'infinity' where state = 'running'",
          logged=("run.suspended: running > sleeping",)),
    Write("update absurd.task set state = 'pending', attempt = attempt + 1 where state = 'failed'",
          logged=("task.retried: failed > pending",)),
    Write("update absurd.task set state = 'running', " + HOLD.format("claim_epoch + 1")
          + " where state = 'sleeping' and wake_event is null",
          logged=("run.claimed: sleeping > running",)),
    Write("update absurd.event set payload = '1', emitted_at = now()",
          logged=("run.woken: sleeping > pending", "event.emitted")),
    Write("delete from absurd.task where state = 'completed'", logged=("task.purged: completed > purged",)),
    # a move that names no event, where there are several; that is not listed; that lies about attempt or epoch
    Write("update absurd.task set state = 'sleeping' where state = 'running'", MOVE, note="which of three events?"),
    Write("update absurd.task set state = 'pending' where state = 'completed'", MOVE),
    Write("update absurd.task set state = 'completed' where state = 'failed'", MOVE),
    Write("update absurd.task set state = 'running' where state = 'completed'", MOVE),
    Write("update absurd.task set state = 'nonsense'", MOVE),
    Write("update absurd.task set state = 'pending' where state = 'failed'", MOVE, note="the attempt stays"),
    Write("update absurd.task set state = 'running', " + HOLD.format("claim_epoch") + " where state = 'sleeping'", MOVE,
          note="the epoch stays"),
    Write("update absurd.task set claim_epoch = claim_epoch - 1 where claim_epoch > 0", MOVE),
    Write("update absurd.task set claimed_by = 'x' where state = 'running'", MOVE),
    Write("update absurd.task set result = '2' where state = 'completed'", MOVE),
    Write("update absurd.task set queue_name = 'other'", MOVE),
    Write("update absurd.task set seq = 100, last_state = 'x', moved = true, log_hash = 'x'", note="the gate takes them from the old row"),
    Write("insert into absurd.task (task_id, queue_name, task_name, state, available_at, params, workflow_run_id, ended_at) select "
          "'01900000-0000-7000-8000-000001000000', 'q', 'n', 'completed', now(), '1', '01900000-0000-7000-8000-000001000000', now()", MOVE),
    Write("insert into absurd.task (task_id, queue_name, task_name, state, available_at, params, workflow_run_id) select "
          "'01900000-0000-7000-8000-000001000000', 'q', 'n', 'pending', now(), '1', '01900000-0000-7000-8000-000001000000'",
          logged=("task.spawned: new > pending",)),
    Write("copy absurd.task (task_id, queue_name, task_name, state, available_at, params, workflow_run_id) from stdin",
          logged=("task.spawned: new > pending",), data=COPIED.format("pending")),
    Write("copy absurd.task (task_id, queue_name, task_name, state, available_at, params, workflow_run_id) from stdin", MOVE,
          data=COPIED.format("running"), note="as running"),
    Write("copy absurd.workflow_run (workflow_run_id, workflow_name, status, absurd_queue, absurd_run_id, attempts, created_at, "
          "updated_at) from stdin", RECORD,
          data="\t".join([COPY_ID, "n", "completed", "q", COPY_ID, "1", "2030-01-01", "2030-01-01"]) + "\n"),
    Write("merge into absurd.task t using (values ('running')) v(s) on t.state = v.s when matched then update set state = 'completed'",
          logged=("run.completed: running > completed",)),
    Write("with w as (update absurd.task set state = 'completed' where state = 'running' returning 1) select count(*) from w",
          logged=("run.completed: running > completed",)),
    Write("do $$ begin update absurd.task set state = 'completed' where state = 'running'; end $$",
          logged=("run.completed: running > completed",)),
    # rows leave only through clean-up
    Write("delete from absurd.task where state = 'running'", LEAVES),
    Write("delete from absurd.checkpoint", LEAVES),
    Write("delete from absurd.run", LEAVES),
    Write("delete from absurd.absurd_event_log", LEAVES),
    Write("delete from absurd.workflow_run", LEAVES),
    *(Write(f"truncate absurd.{table}", LEAVES) for table in STATE_TABLES),
    # what is derived is not written by hand
    Write("update absurd.checkpoint set state = '9'", RECORD),
    Write("update absurd.run set state = 'failed'", RECORD),
    Write("update absurd.absurd_event_log set event = 'x'", RECORD),
    Write("update absurd.workflow_run set status = 'completed' where status = 'running'", RECORD),
    Write("update absurd.workflow_run set result = '9'", RECORD),
    Write("update absurd.workflow_run set completed_at = now() where status = 'running'", RECORD),
    Write("insert into absurd.workflow_run (workflow_run_id, workflow_name, status, absurd_queue, absurd_run_id, attempts, created_at, "
          "updated_at) values (gen_random_uuid(), 'n', 'running', 'q', gen_random_uuid(), 1, now(), now())", RECORD),
    Write("update absurd.event set payload = '1' where emitted_at is not null", note="no event is emitted here"),
    # what the gate cannot judge, verify() finds
    Write("delete from absurd.wait", verify=("sleeping_for_ever_has_a_wait",), left=("sleeping_for_ever_has_a_wait",)),
    Write("insert into absurd.absurd_event_log (queue_name, task_id, seq, event, from_state, to_state, login_role, via, incarnation, "
          "xid, at) select queue_name, task_id, seq + 1, 'run.completed', 'running', 'completed', 'x', 'x', 1, '1', now() from absurd.task "
          "where state = 'running'",
          verify=("log_epoch_is_the_claims", "log_head_is_the_state"), left=("log_epoch_is_the_claims", "log_head_is_the_state"),
          note="a forged row of the log"),
    Write("insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch) "
          "select task_id, 'forged', queue_name, '1', attempt, claim_epoch + 1 from absurd.task where state = 'running'",
          verify=("checkpoint_epoch_was_current",), left=("checkpoint_epoch_was_current",)),
    Write("insert into absurd.wait (task_id, step_name, queue_name, event_name, attempt) "
          "select task_id, 's', queue_name, 'x', attempt from absurd.task where state = 'running'",
          verify=("wait_belongs_to_a_sleeping_task",), repair=("wait",)),
    Write("insert into absurd.transition values ('completed', 'running', 'run.claimed', 'x')", verify=("transition_is_ours",),
          left=("transition_is_ours",)),
    Write("delete from absurd.transition where event = 'run.claimed'",
          verify=("log_move_is_listed", "transition_is_there"), left=("log_move_is_listed", "transition_is_there")),
)  # fmt: skip

# --- (l) the owner switches a trigger off, writes, and switches it on again, or not -------------------------------------------
OFF = "alter table absurd.{} disable trigger {}; "
ON = "; alter table absurd.{} enable always trigger {}"
CHECK, PROJECT = "zzz_gate_check_update", "zzz_gate_project_update"
DISABLED = (
    Write(OFF.format("task", PROJECT) + "update absurd.task set state = 'completed', result = '1' where state = 'running'"
          + ON.format("task", PROJECT),
          verify=("ended_attempts_are_recorded_once", "log_head_is_the_state", "workflow_run_completed_at_agrees",
                  "workflow_run_result_agrees", "workflow_run_status_agrees"),
          repair=("workflow_run",), left=("ended_attempts_are_recorded_once", "log_head_is_the_state"),
          note="the second half"),
    Write(OFF.format("task", PROJECT) + "select", verify=("trigger_is_enabled_always",), left=("trigger_is_enabled_always",),
          note="left off"),
    Write(OFF.format("task", PROJECT) + "select; alter table absurd.task enable trigger " + PROJECT, verify=("trigger_is_enabled_always",),
          left=("trigger_is_enabled_always",), note="on again, but not ALWAYS"),
    Write(OFF.format("task", "all") + "update absurd.task set result = '9' where state = 'completed'"
          + "".join(ON.format("task", t) for t in (CHECK, PROJECT, "zzz_gate_check_insert", "zzz_gate_check_delete",
                                                   "zzz_gate_project_insert", "zzz_gate_project_delete", "zzz_no_truncate")),
          verify=("completed_has_its_result", "workflow_run_result_agrees"), repair=("workflow_run",), left=("completed_has_its_result",),
          note="all triggers"),
    Write(OFF.format("task", "zzz_no_truncate") + "truncate absurd.task" + ON.format("task", "zzz_no_truncate"),
          verify=("checkpoint_has_a_task", "ended_attempt_has_a_task", "log_ends_with_the_task", "wait_belongs_to_a_sleeping_task",
                  "workflow_run_has_a_task"),
          repair=("wait",), left=("checkpoint_has_a_task", "ended_attempt_has_a_task", "log_ends_with_the_task", "workflow_run_has_a_task"),
          note="truncate"),
    Write(OFF.format("absurd_event_log", "zzz_no_change") + "delete from absurd.absurd_event_log where event = 'run.claimed' and seq = 2"
          + ON.format("absurd_event_log", "zzz_no_change"),
          verify=("checkpoint_epoch_was_current", "log_epoch_is_the_claims", "log_head_is_the_state", "log_seq_is_dense",
                  "workflow_run_started_at_agrees"),
          repair=("workflow_run",),
          left=("checkpoint_epoch_was_current", "log_epoch_is_the_claims", "log_head_is_the_state", "log_seq_is_dense"),
          note="a hole in the log"),
    Write(OFF.format("workflow_run", "zzz_agrees_update") + "update absurd.workflow_run set status = 'pending' where status = 'failed'"
          + ON.format("workflow_run", "zzz_agrees_update"),
          verify=("workflow_run_status_agrees",), repair=("workflow_run",), note="the incident, made by hand"),
    Write(OFF.format("event", "zzz_event_project_update") + "update absurd.event set payload = '1', emitted_at = now()"
          + ON.format("event", "zzz_event_project_update"),
          verify=("emitted_event_is_logged", "nothing_sleeps_on_an_emitted_event"), repair=("wake-up",), left=("emitted_event_is_logged",),
          note="a lost wake-up"),
    Write("drop trigger zzz_gate_project_update on absurd.task", verify=("trigger_is_there",), left=("trigger_is_there",)),
    Write("create or replace function absurd._gate_project() returns trigger language plpgsql as $$ begin return null; end $$",
          verify=("function_is_unaltered",), left=("function_is_unaltered",)),
    Write("alter function absurd.complete_run(text, uuid, jsonb, bigint) reset search_path", verify=("function_is_unaltered",),
          left=("function_is_unaltered",)),
    Write("create function absurd.complete_quietly() returns void language sql as 'select'", verify=("function_is_ours",),
          left=("function_is_ours",)),
    Write("create trigger quiet before update on absurd.task for each row execute function absurd._refuse_change()",
          verify=("trigger_is_ours",), left=("trigger_is_ours",)),
    Write("create table absurd.part () inherits (absurd.task)",
          verify=("column_is_ours", "constraint_is_ours", "table_has_no_partitions", "table_is_ours"),
          left=("column_is_ours", "constraint_is_ours", "table_has_no_partitions", "table_is_ours")),
    # what needs no trigger's leave
    Write("create rule quiet as on insert to absurd.absurd_event_log do instead nothing", verify=("rule_is_ours",), left=("rule_is_ours",)),
    Write("create rule quiet as on insert to absurd.absurd_event_log do instead nothing; "
          "update absurd.task set state = 'completed', result = '1' where state = 'running'",
          verify=("log_head_is_the_state", "rule_is_ours"), left=("log_head_is_the_state", "rule_is_ours"), note="and a move behind it"),
    Write("create rule quiet as on update to absurd.workflow_run do instead nothing", verify=("rule_is_ours",), left=("rule_is_ours",)),
    Write("alter table absurd.task force row level security", verify=("table_is_unaltered",), left=("table_is_unaltered",)),
    Write("create policy quiet on absurd.workflow_run using (false)", verify=("policy_is_ours",), left=("policy_is_ours",)),
    Write("alter table absurd.task set unlogged", verify=("table_is_unaltered",), left=("table_is_unaltered",)),
    Write("alter table absurd.task alter column state set default 'completed'", verify=("column_is_unaltered",),
          left=("column_is_unaltered",)),
    Write("grant update on absurd.task to tollway_worker", verify=("table_is_written_by_its_owner_only",),
          left=("table_is_written_by_its_owner_only",)),
    Write("grant execute on function absurd._wake(uuid[]) to public", verify=("internal_function_is_its_owners_only",),
          left=("internal_function_is_its_owners_only",)),
    Write("drop trigger refuse_write on absurd.t_q", verify=("queue_views_are_read_only",), left=("queue_views_are_read_only",)),
    Write("create or replace view absurd.workflow_overview as select workflow_run_id, workflow_name, workflow_version, "
          "'completed' as status, absurd_queue, tags, created_by, attempts, created_at, started_at, completed_at, "
          "purged_at, 1::bigint as task_count, 1::bigint as total_attempts, 1::bigint as failed_tasks from absurd.workflow_run",
          verify=("view_is_unaltered",), left=("view_is_unaltered",)),
)  # fmt: skip
