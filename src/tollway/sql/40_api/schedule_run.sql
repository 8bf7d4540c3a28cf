-- schedule_run: suspend a run until a time; the same attempt goes on then.
--
-- Called by  worker, for a sleep
-- Locks      task (one row)
-- Moves      running -> sleeping
-- Raises     P0001 not currently running · 23502 no time · AB001 cancelled, with an epoch · AB002 already failed · TW201 lease lost
--            42P01 no such queue
-- Retry      not safe without an epoch: a second call finds the run sleeping
create or replace function absurd.schedule_run(
  p_queue_name  text,
  p_run_id      uuid,
  p_wake_at     timestamptz,
  p_claim_epoch bigint default null   -- fencing token from claim_tasks
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task  absurd.task := absurd._lock_run(p_queue_name, p_run_id);
  v_state text := absurd._run_state(v_task, p_run_id);
begin
  if v_state is not null then
    perform absurd._check_epoch(v_task, p_run_id, p_claim_epoch);
  end if;
  if v_state is distinct from 'running' then
    perform absurd._raise_not_running(p_queue_name, p_run_id, v_state);
  end if;
  if p_wake_at is null then
    raise exception 'wake_at must be provided' using errcode = '23502', hint = 'Pass the time from which the run goes on.';
  end if;

  update absurd.task t
  set state = 'sleeping', move_event = 'run.suspended', move_detail = jsonb_build_object('until', p_wake_at),
      available_at = p_wake_at, wake_event = null
  where t.task_id = v_task.task_id;
end
$$;
