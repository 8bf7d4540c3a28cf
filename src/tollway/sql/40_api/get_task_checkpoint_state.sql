-- get_task_checkpoint_state: one saved step of a task.
--
-- Called by  SDKs
-- Locks      nothing
-- Moves      nothing
-- Raises     42P01 no such queue
-- Retry      safe: reads only
create or replace function absurd.get_task_checkpoint_state(
  p_queue_name      text,
  p_task_id         uuid,
  p_step_name       text,
  p_include_pending boolean default false   -- also what is not committed: the time-outs of waits
) returns table (checkpoint_name text, state jsonb, status text, owner_run_id uuid, updated_at timestamptz)
language plpgsql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform absurd._queue(p_queue_name, 'c');
  return query
    select c.checkpoint_name, c.state, c.status, absurd.run_id_of(c.task_id, c.attempt), c.updated_at
    from absurd.checkpoint c
    where c.task_id = p_task_id and c.checkpoint_name = p_step_name and c.queue_name = p_queue_name
      and (c.status = 'committed' or p_include_pending);
end
$$;
