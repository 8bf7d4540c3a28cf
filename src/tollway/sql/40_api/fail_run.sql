-- fail_run: end a run with a reason; the task is retried, now or later, or fails for good.
--
-- Called by  worker; claim_task, for an expired lease
-- Locks      task (one row); awaiters that are free
-- Moves      running -> pending | sleeping | failed | cancelled (beyond max_duration)
-- Raises     P0001 cannot be failed · AB001 cancelled · AB002 already failed · TW201 lease lost · TW302, TW303 reason
--            42P01 no such queue
-- Retry      safe: a second call finds the run failed (AB002)
create or replace function absurd.fail_run(
  p_queue_name  text,
  p_run_id      uuid,
  p_reason      jsonb,
  p_retry_at    timestamptz default null,   -- instead of the retry strategy's time
  p_claim_epoch bigint default null,        -- fencing token from claim_tasks
  p_retryable   boolean default true        -- false: fail for good, whatever attempts are left
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task    absurd.task := absurd._lock_run(p_queue_name, p_run_id);
  v_state   text := absurd._run_state(v_task, p_run_id);
begin
  if v_state is not null then
    perform absurd._check_epoch(v_task, p_run_id, p_claim_epoch), absurd._check_run_not_over(p_queue_name, p_run_id, v_state);
  end if;
  if v_state is distinct from 'running' then
    raise exception 'Run "%" cannot be failed in queue "%"', p_run_id, p_queue_name
      using errcode = 'P0001', hint = format('It is %s; only a running run fails.', coalesce(v_state, 'not there'));
  end if;
  perform absurd._check_payload('reason', p_reason, (absurd._queue(p_queue_name, 'r')).max_payload_bytes);

  update absurd.task t
  set state = o.state, move_event = o.move_event, move_detail = o.detail, attempt = o.attempt, available_at = o.available_at,
      error = o.error
  from absurd._fail_outcome(v_task, p_reason, p_retry_at, coalesce(p_retryable, true), absurd.current_time()) o
  where t.task_id = v_task.task_id;
end
$$;
