-- What people read. Everything here is derived from the rows that the gate keeps true; nothing is stored.

-- task_runtime_status: the tasks that are not over: who holds them, until when, what they did last and wait for.
create or replace view absurd.task_runtime_status as
select t.task_id, absurd.run_id_of(t.task_id, t.attempt) as run_id, t.queue_name, t.task_name, t.state, t.attempt,
       t.claimed_by as worker, t.claimed_at, t.claim_expires_at as lease_until, t.heartbeat_at as last_heartbeat,
       s.steps_done, s.last_step,
       case when t.state = 'sleeping' then coalesce(w.event_name, 'task ' || w.awaited_task_id) end as waiting_for,
       case when t.state = 'sleeping' and t.available_at < 'infinity' then t.available_at end as next_wake_up,
       case when t.state = 'running' then absurd.current_time() - t.claimed_at end as running_for
from absurd.task t
left join lateral (
  select w.event_name, w.awaited_task_id from absurd.wait w where w.task_id = t.task_id order by w.step_name limit 1) w on true
left join lateral (
  select count(*) as steps_done,   -- a wait that timed out is a step that is done
         (array_agg(c.checkpoint_name order by c.updated_at desc, c.checkpoint_name desc))[1] as last_step
  from absurd.checkpoint c
  where c.task_id = t.task_id) s on true
where t.state in ('pending', 'running', 'sleeping');

-- workflow_overview: workflow_run with what is counted over its whole tree of tasks.
create or replace view absurd.workflow_overview as
select w.workflow_run_id, w.workflow_name, w.workflow_version, w.status, w.absurd_queue, w.tags, w.created_by, w.attempts,
       w.created_at, w.started_at, w.completed_at, w.purged_at, n.task_count, n.total_attempts, n.failed_tasks
from absurd.workflow_run w
left join lateral (
  with recursive tree as (
    select t.task_id, t.attempt, t.state from absurd.task t where t.task_id = w.workflow_run_id
    union all
    select c.task_id, c.attempt, c.state from tree join absurd.task c on c.parent_task_id = tree.task_id)
  select count(*) as task_count, sum(tree.attempt) as total_attempts, count(*) filter (where tree.state = 'failed') as failed_tasks
  from tree) n on true;
