-- retry_task: give a failed task another attempt, in place or as a new task.
--
-- Called by  operator
-- Locks      task (one row)
-- Moves      failed -> pending; with spawn_new: new -> pending
-- Raises     P0001 not found, not failed, max_attempts too small · 42P01 no such queue
-- Retry      not safe: a second call finds the task pending
create or replace function absurd.retry_task(
  p_queue_name text,
  p_task_id    uuid,
  p_options    jsonb default '{}'   -- spawn_new: boolean, max_attempts: integer
) returns table (task_id uuid, run_id uuid, attempt integer, created boolean)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task      absurd.task;
  v_attempts  integer := absurd._max_attempts(p_options ->> 'max_attempts');
  v_spawn_new boolean := coalesce((p_options ->> 'spawn_new')::boolean, false);
begin
  select * into v_task from absurd.task t where t.task_id = p_task_id and t.queue_name = p_queue_name for no key update;
  if not found then
    perform absurd._queue(p_queue_name, 't');
    raise exception 'Task "%" not found in queue "%"', p_task_id, p_queue_name
      using errcode = 'P0001', hint = 'Pass a task id, not a run id, and the queue of the task.';
  end if;
  if v_task.state <> 'failed' then
    raise exception 'Task "%" is not currently failed in queue "%"', p_task_id, p_queue_name
      using errcode = 'P0001', hint = format('It is %s; only a failed task is retried.', v_task.state);
  end if;
  if v_spawn_new then
    return query select * from absurd.spawn_task(p_queue_name, v_task.task_name, v_task.params, jsonb_strip_nulls(jsonb_build_object(
      'headers', v_task.headers, 'retry_strategy', v_task.retry_strategy, 'cancellation', v_task.cancellation,
      'max_attempts', coalesce(v_attempts, v_task.max_attempts), 'priority', v_task.priority, 'tags', to_jsonb(v_task.tags),
      'workflow_version', v_task.workflow_version, 'workflow_hash', v_task.workflow_hash)));
    return;
  end if;
  v_attempts := coalesce(v_attempts, coalesce(v_task.max_attempts, v_task.attempt) + 1);
  if v_attempts <= v_task.attempt then
    raise exception 'max_attempts (%) must be greater than current attempts (%)', v_attempts, v_task.attempt
      using errcode = 'P0001', hint = 'Leave max_attempts out to allow one more.';
  end if;

  update absurd.task t
  set state = 'pending', move_event = 'task.retried', move_detail = jsonb_build_object('by', session_user, 'max_attempts', v_attempts),
      attempt = t.attempt + 1, max_attempts = v_attempts, available_at = absurd.current_time()
  where t.task_id = p_task_id;
  return query select p_task_id, absurd.run_id_of(p_task_id, v_task.attempt + 1), v_task.attempt + 1, false;
end
$$;
