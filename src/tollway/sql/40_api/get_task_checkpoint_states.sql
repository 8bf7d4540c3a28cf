-- get_task_checkpoint_states: a task's saved steps, as far as the run may see them.
--
-- Called by  SDKs
-- Locks      nothing
-- Moves      nothing
-- Raises     P0001 run not found, or of another task · 42P01 no such queue
-- Retry      safe: reads only
create or replace function absurd.get_task_checkpoint_states(
  p_queue_name  text,
  p_task_id     uuid,
  p_run_id      uuid,
  p_claim_epoch bigint default null   -- given: the time-outs of waits come too
) returns table (checkpoint_name text, state jsonb, status text, owner_run_id uuid, updated_at timestamptz)
language plpgsql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task    absurd.task;
  v_attempt integer;
begin
  perform absurd._queue(p_queue_name, 'r');
  select * into v_task from absurd.task t where t.task_id = absurd.task_id_of(p_run_id) and t.queue_name = p_queue_name;
  if absurd._run_state(v_task, p_run_id) is null then
    raise exception 'Run "%" not found in queue "%"', p_run_id, p_queue_name
      using errcode = 'P0001', hint = 'Pass the run_id that claim_task returned.';
  end if;
  if v_task.task_id is distinct from p_task_id then
    raise exception 'Run "%" does not belong to task "%" in queue "%"', p_run_id, p_task_id, p_queue_name
      using errcode = 'P0001', hint = 'Pass the task_id and run_id that claim_task returned together.';
  end if;
  v_attempt := coalesce((select r.attempt from absurd.run r where r.task_id = p_task_id and r.run_id = p_run_id), v_task.attempt);
  return query
    select c.checkpoint_name, c.state, c.status, absurd.run_id_of(c.task_id, c.attempt), c.updated_at
    from absurd.checkpoint c
    where c.task_id = p_task_id and c.attempt <= v_attempt and (c.status = 'committed' or p_claim_epoch is not null)
    order by c.updated_at, c.checkpoint_name;
end
$$;
