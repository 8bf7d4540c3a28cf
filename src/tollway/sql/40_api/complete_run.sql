-- complete_run: finish a run with its result; the task becomes completed.
--
-- Called by  worker, once at the end of a run
-- Locks      task (one row); awaiters that are free
-- Moves      running -> completed
-- Raises     P0001 not found, not running · AB001 cancelled · AB002 already failed · TW201 lease lost · TW302, TW303 result
--            42P01 no such queue
-- Retry      safe: the same run may complete again with the same result
create or replace function absurd.complete_run(
  p_queue_name  text,
  p_run_id      uuid,
  p_state       jsonb default null,
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
  if v_state is null then
    raise exception 'Run "%" not found in queue "%"', p_run_id, p_queue_name
      using errcode = 'P0001', hint = 'Pass the run_id that claim_task returned.';
  end if;
  if v_state = 'completed' and coalesce(v_task.result, 'null') = coalesce(p_state, 'null')
     and v_task.claim_epoch = coalesce(p_claim_epoch, v_task.claim_epoch) then
    return;
  end if;
  if v_state <> 'running' or v_task.claim_epoch <> p_claim_epoch then
    perform absurd._check_epoch(v_task, p_run_id, p_claim_epoch), absurd._check_run_not_over(p_queue_name, p_run_id, v_state);
    perform absurd._raise_not_running(p_queue_name, p_run_id, v_state);
  end if;
  if not absurd._is_small(p_state) then
    perform absurd._check_payload('result', p_state, (absurd._queue(p_queue_name, 'r')).max_payload_bytes);
  end if;

  update absurd.task t
  set state = 'completed', move_event = 'run.completed', move_detail = null, result = p_state
  where t.task_id = v_task.task_id;
end
$$;
