-- list_on_move: which moves are answered, and by which tasks.
--
-- Called by  operator, people
-- Locks      nothing
-- Moves      nothing
-- Raises     42P01 no such queue
-- Retry      safe: reads only
create or replace function absurd.list_on_move(
  p_queue_name text default null   -- null: all queues
) returns table (
  queue_name text, task_name text, to_state text, handler_queue text, handler_task text, options jsonb, created_by text,
  created_at timestamptz
)
language plpgsql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_queue_name is not null then
    perform absurd._queue(p_queue_name, 't');
  end if;
  return query
    select h.queue_name, h.task_name, h.to_state, h.handler_queue, h.handler_task, h.options, h.created_by, h.created_at
    from absurd.on_move h
    where p_queue_name is null or h.queue_name = p_queue_name
    order by 1, 3, 2 nulls first, 4, 5;
end
$$;
