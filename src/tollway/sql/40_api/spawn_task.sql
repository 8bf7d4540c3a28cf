-- spawn_task: queue one task; with an idempotency key that is known, return the task that has it.
--
-- Called by  client, a workflow that starts a child
-- Locks      the parent's task row, if there is one
-- Moves      new -> pending, or sleeping until its start time
-- Raises     P0001 no name, max_attempts below 1 · 22P02, 22003 max_attempts · AB003 retry strategy · TW301 an option · TW302, TW303 payload
--            TW304 name · 42P01 no such queue · TW201 the parent's claim is lost · AB001 the parent is cancelled
--            40001 the key is being cleaned up
-- Retry      safe with an idempotency key
create or replace function absurd.spawn_task(
  p_queue_name   text,
  p_task_name    text,
  p_params       jsonb,
  p_options      jsonb default '{}',
  p_parent_epoch bigint default null   -- the parent's claim epoch, when a workflow starts a child
) returns table (task_id uuid, run_id uuid, attempt integer, created boolean)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task   absurd.task;
  v_known  absurd.task;
  v_parent absurd.task;
  v_now    timestamptz;
begin
  if jsonb_typeof(p_options) = 'object' and p_options - 'max_attempts' = '{}' and absurd._is_small(p_params)
     and octet_length(p_queue_name) between 1 and 57 and octet_length(p_task_name) between 1 and 255 and btrim(p_task_name) <> '' then
    -- nearly always: nothing is chosen but the number of attempts. The row is _new_task's, and the gate refuses a missing queue
    task_id := absurd.task_id_of(absurd.portable_uuidv7());
    run_id := absurd.run_id_of(task_id, 1);
    attempt := 1;
    created := true;
    v_now := absurd.current_time();
    insert into absurd.task (
      task_id, queue_name, task_name, state, max_attempts, available_at, enqueue_at, attempt_at, params, workflow_run_id, last_state)
    values (
      task_id, p_queue_name, p_task_name, 'pending', absurd._max_attempts(p_options ->> 'max_attempts'), v_now, v_now, v_now, p_params,
      task_id, 'new');
    return next;
    return;
  end if;
  -- these two before the queue is looked for, as SDKs know it
  if p_task_name is null or btrim(p_task_name) = '' or octet_length(p_task_name) > 255 or (p_options ->> 'max_attempts')::integer < 1 then
    perform absurd._check_name('task_name', p_task_name), absurd._max_attempts(p_options ->> 'max_attempts');
  end if;
  if p_options ? 'parent_task_id' and jsonb_typeof(p_options) = 'object' then
    v_parent := absurd._parent(absurd._uuid_option('parent_task_id', p_options -> 'parent_task_id'), p_parent_epoch);
  end if;
  v_task := absurd._new_task(absurd._queue(p_queue_name, 't'), p_task_name, p_params, p_options, v_parent, absurd.current_time());
  task_id := v_task.task_id;
  attempt := 1;
  created := true;
  if v_task.idempotency_key is null then
    insert into absurd.task select v_task.*;
    run_id := absurd.run_id_of(task_id, 1);
    return next;
    return;
  end if;
  for v_try in 1 .. 10 loop
    insert into absurd.task select v_task.* on conflict do nothing;
    if found then
      run_id := absurd.run_id_of(task_id, 1);
      return next;
      return;
    end if;
    select * into v_known from absurd.task t
    where t.queue_name = p_queue_name and t.idempotency_key = v_task.idempotency_key;
    if found then
      task_id := v_known.task_id;
      attempt := v_known.attempt;
      created := false;
      run_id := absurd.run_id_of(task_id, attempt);
      return next;
      return;
    end if;
  end loop;
  -- each time the key was there for the insert and gone for the select
  raise exception 'Idempotency key "%" in queue "%" was concurrently cleaned up', v_task.idempotency_key, p_queue_name
    using errcode = '40001', hint = 'Retry spawn_task with the same idempotency key.';
end
$$;
