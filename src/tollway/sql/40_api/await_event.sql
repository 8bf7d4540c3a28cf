-- await_event: a step that waits for an event: its payload when it is there, else the run sleeps until it is, or a time-out.
--
-- Called by  worker, SDKs
-- Locks      the event, then task (one row)
-- Moves      running -> sleeping, when it suspends
-- Raises     P0001 names, timeout, run not found, not running · 23502 no step · AB001 cancelled · AB002 failed
--            TW201 lease lost · TW304 names · 42P01 no such queue
-- Retry      safe: an answer once given is a checkpoint
create or replace function absurd.await_event(
  p_queue_name  text,
  p_task_id     uuid,
  p_run_id      uuid,
  p_step_name   text,
  p_event_name  text,
  p_timeout     integer default null,   -- seconds
  p_claim_epoch bigint default null     -- fencing token from claim_tasks: a time-out is then a checkpoint, too
) returns table (should_suspend boolean, payload jsonb)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_saved absurd.checkpoint;
  v_task  absurd.task;
  v_state text;
  v_event absurd.event;
begin
  perform absurd._check_name('event_name', p_event_name);
  if p_timeout < 0 then
    raise exception 'timeout must be non-negative' using errcode = 'P0001', hint = 'Give seconds, or null to wait for ever.';
  end if;
  perform absurd._queue(p_queue_name, 'e');
  select * into v_saved from absurd.checkpoint c
  where c.task_id = p_task_id and c.checkpoint_name = p_step_name and c.queue_name = p_queue_name;
  if v_saved.state is not null or (v_saved.status = 'timed_out' and p_claim_epoch is not null) then
    return query select false, v_saved.state;
    return;
  end if;

  -- the event's row stands before the task's in the lock order, and is there to be locked
  v_event := absurd._lock_event(p_queue_name, p_event_name, false);
  v_task := absurd._lock_run(p_queue_name, p_run_id);
  v_state := absurd._run_state(v_task, p_run_id);
  if v_state is null or v_task.task_id is distinct from p_task_id then
    raise exception 'Run "%" not found while awaiting event', p_run_id
      using errcode = 'P0001', hint = 'Pass the task_id and run_id that claim_task returned together.';
  end if;
  perform absurd._check_epoch(v_task, p_run_id, p_claim_epoch);
  if v_task.state = 'cancelled' then
    perform absurd._check_run_not_over(p_queue_name, p_run_id, 'cancelled');
  elsif v_state <> 'running' then
    raise exception 'Run "%" must be running to await events', p_run_id
      using errcode = 'P0001', hint = format('It is %s.', v_state);
  end if;
  if p_step_name is null then
    raise exception 'step_name must be provided' using errcode = '23502', hint = 'Give 1 to 255 bytes of text.';
  end if;
  perform absurd._check_name('step_name', p_step_name);
  -- once more: the step may have been answered while this call waited for its locks
  select * into v_saved from absurd.checkpoint c where c.task_id = p_task_id and c.checkpoint_name = p_step_name;
  if v_saved.state is not null or (v_saved.status = 'timed_out' and p_claim_epoch is not null) then
    return query select false, v_saved.state;
    return;
  end if;
  return query select o.outcome = 'suspended', case when o.outcome = 'event' then o.payload end
               from absurd._await(v_task, p_step_name, v_event, p_timeout, p_claim_epoch is not null) o;
end
$$;
