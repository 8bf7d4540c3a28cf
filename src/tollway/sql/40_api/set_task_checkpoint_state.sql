-- set_task_checkpoint_state: save a step's result; the first one wins and never changes.
--
-- Called by  worker, SDKs
-- Locks      task (one row)
-- Moves      nothing
-- Raises     P0001 step, run not found, not running · AB001 cancelled · AB002 already failed · TW201 lease lost
--            TW202 the step has another value · TW302, TW303 state · TW304 step name · 42P01 no such queue
-- Retry      safe: an equal checkpoint again changes nothing
create or replace function absurd.set_task_checkpoint_state(
  p_queue_name      text,
  p_task_id         uuid,
  p_step_name       text,
  p_state           jsonb,
  p_owner_run       uuid,
  p_extend_claim_by integer default null,   -- seconds; a lease is never shortened by it
  p_claim_epoch     bigint default null     -- fencing token from claim_tasks
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task  absurd.task;
  v_state text;
  v_have  absurd.checkpoint;
begin
  perform absurd._check_name('step_name', p_step_name);
  v_task := absurd._lock_run(p_queue_name, p_owner_run);
  v_state := absurd._run_state(v_task, p_owner_run);
  -- an old client gives the run's own id for the task's: that names the same task, and no other
  if v_state is null or coalesce(p_task_id not in (v_task.task_id, p_owner_run), true) then
    raise exception 'Run "%" not found for checkpoint', p_owner_run
      using errcode = 'P0001', hint = 'Pass the task_id and run_id that claim_task returned together.';
  end if;
  if v_state <> 'running' or v_task.claim_epoch <> p_claim_epoch then
    perform absurd._check_epoch(v_task, p_owner_run, p_claim_epoch),
            absurd._check_run_not_over(p_queue_name, p_owner_run, case when v_task.state = 'cancelled' then 'cancelled' else v_state end);
    perform absurd._raise_not_running(p_queue_name, p_owner_run, v_state);
  end if;
  if not absurd._is_small(p_state) then
    perform absurd._check_payload('state', p_state, (absurd._queue(p_queue_name, 'c')).max_payload_bytes);
  end if;

  insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch)
  values (v_task.task_id, p_step_name, p_queue_name, p_state, v_task.attempt, v_task.claim_epoch)
  on conflict do nothing;
  if not found and p_claim_epoch is not null then
    select * into v_have from absurd.checkpoint c where c.task_id = v_task.task_id and c.checkpoint_name = p_step_name;
    if v_have.state is distinct from p_state or v_have.status <> 'committed' then
      raise exception 'step "%" of task % has another value already', p_step_name, v_task.task_id
        using errcode = 'TW202', hint = 'A checkpoint never changes: use the saved value, or another step name.';
    end if;
  end if;
  if p_extend_claim_by > 0 then
    update absurd.task t
    set claim_expires_at = greatest(t.claim_expires_at, absurd.current_time() + make_interval(secs => p_extend_claim_by)),
        heartbeat_at = absurd.current_time()
    where t.task_id = v_task.task_id;
  end if;
end
$$;
