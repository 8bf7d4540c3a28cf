-- remove_on_move: stop answering a move; tasks that were spawned already stay. True when there was such a row.
--
-- Called by  operator
-- Locks      on_move (one row)
-- Moves      nothing
-- Raises     42P01 no such queue · TW301 state
-- Retry      safe: the second call answers false
create or replace function absurd.remove_on_move(
  p_queue_name    text,
  p_task_name     text,                  -- as given to set_on_move
  p_to_state      text,
  p_handler_task  text,
  p_handler_queue text default null      -- null: the same queue
) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform absurd._queue(p_queue_name, 't'), absurd._check_to_state(p_to_state);
  delete from absurd.on_move h
  where h.queue_name = p_queue_name and h.task_name is not distinct from p_task_name and h.to_state = p_to_state
    and h.handler_task = p_handler_task and h.handler_queue = coalesce(p_handler_queue, p_queue_name);
  if not found then
    return false;
  end if;
  perform absurd._log_on_move('on_move.removed', p_queue_name, jsonb_build_object(
    'task_name', p_task_name, 'to_state', p_to_state, 'handler_queue', coalesce(p_handler_queue, p_queue_name),
    'handler_task', p_handler_task));
  return true;
end
$$;
