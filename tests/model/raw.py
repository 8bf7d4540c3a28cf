"""Direct writes that must be refused: by a login of an application, and by the owner himself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from fixtures.database import Database
from model.coverage import EVENTS, STATES
from model.world import MOVES

HELPER = """
create function public.try_moves(p_task uuid, p_states text[], p_events text[]) returns table (to_state text, event text, outcome text)
language plpgsql as $$
declare
  v_from text := (select t.state from absurd.task t where t.task_id = p_task);
begin
  for to_state, event in
    select s, e from unnest(p_states) s, unnest(p_events) e
    where not exists (select from absurd.transition x where (x.from_state, x.to_state, x.event) = (v_from, s, e))
  loop
    begin
      update absurd.task t set state = to_state, move_event = event where t.task_id = p_task;
      outcome := 'ok';
    exception when others then
      outcome := sqlstate;
    end;
    return next;
  end loop;
end $$"""

# what the owner may not do to a task, whatever its state; {view} is a view of its queue
BY_OWNER = {
    "update absurd.task set claim_epoch = claim_epoch + 1 where task_id = %s": "TW101",
    "update absurd.task set claim_epoch = claim_epoch - 1 where task_id = %s": "TW101",
    "update absurd.task set attempt = attempt + 1 where task_id = %s": "TW101",
    "update absurd.task set error = '\"forged\"' where task_id = %s": "TW101",
    "update absurd.task set parent_task_id = gen_random_uuid() where task_id = %s": "TW101",
    "update absurd.workflow_run set status = 'forged' where workflow_run_id = %s": "TW102",
    "delete from absurd.workflow_run where workflow_run_id = %s": "TW104",
    "update absurd.checkpoint set state = '0' where task_id = %s": "TW102",
    "update absurd.run set state = 'completed' where task_id = %s": "TW102",
    "update absurd.absurd_event_log set event = 'forged' where task_id = %s": "TW102",
    "delete from absurd.absurd_event_log where task_id = %s": "TW104",
    'update absurd."t_{queue}" set state = \'completed\' where task_id = %s': "TW103",
    'delete from absurd."r_{queue}" where task_id = %s': "TW103",
    'delete from absurd."w_{queue}" where task_id = %s': "TW103",
}  # fmt: skip
BY_ROLE = (
    "update absurd.task set state = 'completed' where task_id = %s",
    "delete from absurd.task where task_id = %s",
    "insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, attempt, claim_epoch) values (%s, 'forged', 'q', 1, 1)",
    "delete from absurd.wait where task_id = %s",
    "update absurd.event set payload = '0' where event_name = %s::text",
    "insert into absurd.absurd_event_log (queue_name, event, login_role, via, incarnation, xid, at)"
    " values (%s::text, 'forged', 'me', 'sql', 1, '1', now())",
    "select absurd._wake(array[%s])",
    "update absurd.test_clock set now = null where %s is not null",
    "update absurd.\"t_{queue}\" set state = 'completed' where task_id = %s",
)
INSERT = """
insert into absurd.task (task_id, queue_name, task_name, state, params, available_at, workflow_run_id, ended_at, claimed_by, claimed_at,
  claim_expires_at, claim_epoch, started_at, first_started_at)
select i.id, %s, 'forged', s, '1', now(), i.id, case when s in ('completed', 'failed', 'cancelled') then now() end,
  case s when 'running' then 'w' end, case s when 'running' then now() end, case s when 'running' then now() end,
  case s when 'running' then 1 else 0 end, case s when 'running' then now() end, case s when 'running' then now() end
from (select absurd.task_id_of(gen_random_uuid()) as id) i, (select %s::text as s) j"""


def outcome(db: Database, role: str | None, statement: str, *params: Any) -> str:
    """The SQLSTATE that it ended with, or `ok`; nothing of it stays."""
    try:
        with db.conn.transaction(force_rollback=True):
            if role is not None:
                db.conn.execute(f"set local role {role}")
            db.conn.execute(statement, params)
    except psycopg.Error as error:
        return error.sqlstate or repr(error)
    return "ok"


def forbidden_moves(db: Database, task: UUID, state: str) -> tuple[set[tuple[str, str, str]], list[str]]:
    """(each forbidden move from this state, tried; those that were not refused)"""
    rows = db.rows("select * from public.try_moves(%s, %s, %s)", task, list(STATES), list(EVENTS))
    tried = {(state, to, event) for to, event, _ in rows}
    if left := {(state, to, event) for to in STATES for event in EVENTS} - MOVES - tried:
        return tried, [f"absurd.transition lists {left}, which nobody specified"]
    return tried, [f"{state} -> {to} by {event}: {said}" for to, event, said in rows if said != "TW101"]


def forbidden_inserts(db: Database, queue: str) -> tuple[set[tuple[str, str, str]], list[str]]:
    """(each state that a task may not begin with, tried; those that were not refused)"""
    said = {s: outcome(db, None, INSERT, queue, s) for s in STATES if ("new", s, "task.spawned") not in MOVES}
    return {("new", s, "task.spawned") for s in said}, [f"new -> {s}: {o}" for s, o in said.items() if o != "TW101"]
