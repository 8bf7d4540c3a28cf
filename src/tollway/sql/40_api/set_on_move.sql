-- set_on_move: from now on, spawn a task in the same transaction whenever a task of this queue comes to this state.
--
-- The handler's params are {"task_id", "queue", "task_name", "from_state", "to_state", "attempt", "workflow_run_id", "event",
-- "seq", "at"} and the "result" or "error" of a task that ended; what is too large is named in "left_out" instead. Tasks that
-- answer a move, and their children, fire nothing themselves.
--
-- Called by  worker, for the handlers its application declares; operator
-- Locks      queues (two rows, shared)
-- Moves      nothing
-- Raises     42P01 no such queue · P0001 no name, max_attempts below 1 · 22P02, 22003 max_attempts · TW301 state or option
--            TW302, TW303 headers · TW304 name · AB003 retry strategy
-- Retry      safe: the same handler again only gets the new options
create or replace function absurd.set_on_move(
  p_queue_name    text,
  p_task_name     text,                  -- null: tasks of any name
  p_to_state      text,                  -- pending, running, sleeping, completed, failed or cancelled
  p_handler_task  text,
  p_handler_queue text default null,     -- null: the same queue
  p_options       jsonb default '{}'     -- spawn_task's headers, retry_strategy, max_attempts, cancellation, delay_seconds, priority, tags
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_queue   absurd.queues := absurd._queue(p_queue_name, 't');
  v_handler absurd.queues := absurd._queue(coalesce(p_handler_queue, p_queue_name), 't');
  v_options jsonb := coalesce(p_options, '{}');
begin
  if p_task_name is not null then
    perform absurd._check_name('task_name', p_task_name);
  end if;
  perform absurd._check_to_state(p_to_state), absurd._check_on_move_options(v_options);
  -- what a spawn would refuse is refused here, where somebody reads the error
  perform absurd._new_task(v_handler, p_handler_task, 'null', v_options, null, absurd.current_time());
  insert into absurd.on_move as h (queue_name, task_name, to_state, handler_queue, handler_task, options)
  values (v_queue.queue_name, p_task_name, p_to_state, v_handler.queue_name, p_handler_task, v_options)
  on conflict on constraint one_row_a_handler do update
  set options = excluded.options, created_by = excluded.created_by, created_at = excluded.created_at;
  perform absurd._log_on_move('on_move.set', p_queue_name, jsonb_build_object(
    'task_name', p_task_name, 'to_state', p_to_state, 'handler_queue', v_handler.queue_name, 'handler_task', p_handler_task,
    'options', v_options));
end
$$;
