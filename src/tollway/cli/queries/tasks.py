"""Tasks: a list, and everything that is recorded of one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from tollway.cli.database import one_moment

LIST = """
select t.task_id, t.queue_name as queue, t.task_name as name, t.state, t.attempt, t.claimed_by as worker, t.enqueue_at as created,
       t.parent_task_id as parent
from absurd.task t
where (%(queue)s::text is null or t.queue_name = %(queue)s)
  and (%(state)s::text is null or t.state = %(state)s)
  and (%(name)s::text is null or t.task_name = %(name)s)
  and (%(before)s::uuid is null or t.task_id < %(before)s)
order by t.task_id desc
limit %(limit)s"""
# Ids begin with their time: the newest thousand by the primary key, without a scan of the table.
RECENT_NAMES = "select distinct n.task_name from (select t.task_name from absurd.task t order by t.task_id desc limit 1000) n"
QUEUE_OF = "select t.queue_name, t.state from absurd.task t where t.task_id = %s"
TASK = """
select t.task_id, t.queue_name, t.task_name, t.state, t.attempt, t.max_attempts, t.priority,
       nullif(t.available_at, 'infinity') as available_at,
       t.claimed_by, t.claim_epoch, t.claim_expires_at, t.heartbeat_at, t.started_at, t.enqueue_at, t.ended_at,
       nullif(t.deadline, 'infinity') as deadline, t.params, t.result, t.error, t.parent_task_id, t.workflow_run_id, t.workflow_version,
       t.tags, absurd.current_time() as now
from absurd.task t where t.task_id = %s"""
MOVES = """
select l.seq, l.at, l.event, l.from_state, l.to_state, l.attempt, l.claim_epoch, l.worker, l.via, l.login_role, l.detail
from absurd.absurd_event_log l where l.task_id = %s and l.seq > %s order by l.seq"""
STEPS = """
select c.checkpoint_name as step, c.status, c.state, c.attempt, c.claim_epoch, c.updated_at as at, c.duration_ms
from absurd.checkpoint c where c.task_id = %s order by c.updated_at, c.checkpoint_name"""
ATTEMPTS = """
select r.attempt, r.run_id, r.state, r.claimed_by, r.claim_epoch, r.started_at, r.ended_at, r.failure_reason
from absurd.run r where r.task_id = %s order by r.attempt"""
WAITS = """
select w.step_name as step, w.event_name as event, w.awaited_task_id, nullif(w.timeout_at, 'infinity') as timeout_at
from absurd.wait w where w.task_id = %s order by w.step_name"""


def list_tasks(connection: psycopg.Connection[Any], **filters: Any) -> list[dict[str, Any]]:
    """The newest tasks that fit the filters: queue, state, name, before (an id), limit."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(LIST, filters).fetchall()


def recent_names(connection: psycopg.Connection[Any]) -> list[str]:
    """The task names among the newest thousand tasks."""
    return [row[0] for row in connection.execute(RECENT_NAMES).fetchall()]


def queue_and_state(connection: psycopg.Connection[Any], task_id: UUID) -> tuple[str, str] | None:
    """Where a task is; None when it was purged."""
    row = connection.execute(QUEUE_OF, (task_id,)).fetchone()
    return None if row is None else (row[0], row[1])


def read_story(connection: psycopg.Connection[Any], task_id: UUID, *, after_seq: int = 0) -> dict[str, Any] | None:
    """All that is recorded of a task, of one moment; None if nothing is. A purged task still has its moves."""
    with one_moment(connection) as cursor:
        task = cursor.execute(TASK, (task_id,)).fetchone()
        story = {
            "task": task,
            "moves": cursor.execute(MOVES, (task_id, after_seq)).fetchall(),
            "steps": cursor.execute(STEPS, (task_id,)).fetchall(),
            "attempts": cursor.execute(ATTEMPTS, (task_id,)).fetchall(),
            "waits": cursor.execute(WAITS, (task_id,)).fetchall(),
        }
    return story if task is not None or story["moves"] else None
