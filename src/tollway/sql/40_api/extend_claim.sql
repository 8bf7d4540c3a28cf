-- extend_claim: a run's lease ends so many seconds from now; with an epoch it is never shortened.
--
-- Called by  worker, SDKs
-- Locks      task (one row)
-- Moves      nothing
-- Raises     P0001 not found, not running, extend_by · AB001 cancelled · AB002 already failed · TW201 lease lost
--            42P01 no such queue
-- Retry      safe
create or replace function absurd.extend_claim(
  p_queue_name  text,
  p_run_id      uuid,
  p_extend_by   integer,               -- seconds
  p_claim_epoch bigint default null    -- fencing token from claim_tasks
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task  absurd.task;
  v_state text;
begin
  if p_extend_by is null or p_extend_by <= 0 then
    raise exception 'extend_by must be > 0' using errcode = 'P0001', hint = 'Give seconds.';
  end if;
  v_task := absurd._lock_run(p_queue_name, p_run_id);
  v_state := absurd._run_state(v_task, p_run_id);
  if v_state is null then
    raise exception 'Run "%" not found in queue "%"', p_run_id, p_queue_name
      using errcode = 'P0001', hint = 'Pass the run_id that claim_task returned.';
  end if;
  perform absurd._check_epoch(v_task, p_run_id, p_claim_epoch),
          absurd._check_run_not_over(p_queue_name, p_run_id, case when v_task.state = 'cancelled' then 'cancelled' else v_state end);
  if v_state <> 'running' then
    perform absurd._raise_not_running(p_queue_name, p_run_id, v_state);
  end if;

  update absurd.task t
  set claim_expires_at = greatest(   -- null is left out: without an epoch, absurd's clients count on what they ask for
        absurd.current_time() + make_interval(secs => p_extend_by), case when p_claim_epoch is not null then t.claim_expires_at end),
      heartbeat_at = absurd.current_time()
  where t.task_id = v_task.task_id;
end
$$;
