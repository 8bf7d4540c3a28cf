-- cancel_task: end a task and its unfinished children, unless detached; its worker learns of it at its next call.
--
-- Called by  operator, client
-- Locks      the task and its descendants, by id
-- Moves      pending, sleeping, running -> cancelled
-- Raises     P0001 not found · 42P01 no such queue
-- Retry      safe: a task that is over is left as it is
create or replace function absurd.cancel_task(
  p_queue_name text,
  p_task_id    uuid,
  p_reason     text default null   -- why, for workflow_run.error and the log
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reason jsonb := absurd._cancel_reason(null, left(p_reason, 4096));
begin
  perform from absurd.task t
  where t.task_id = any (array(
    with recursive tree as (
      select p_task_id as task_id
      union
      select c.task_id from tree join absurd.task c on c.parent_task_id = tree.task_id
      where not c.detached and c.state in ('pending', 'sleeping', 'running'))
    select tree.task_id from tree))
  order by t.task_id
  for no key update;

  perform from absurd.task t where t.task_id = p_task_id and t.queue_name = p_queue_name;
  if not found then
    perform absurd._queue(p_queue_name, 't');
    raise exception 'Task "%" not found in queue "%"', p_task_id, p_queue_name
      using errcode = 'P0001', hint = 'Pass a task id, not a run id, and the queue of the task.';
  end if;
  update absurd.task t
  set state = 'cancelled', move_event = 'task.cancelled', error = v_reason, move_detail = jsonb_build_object('reason', v_reason)
  where t.task_id = p_task_id and t.state in ('pending', 'sleeping', 'running');
end
$$;
