-- get_task_result: a task's state, and its result or the reason of its failure.
--
-- Called by  client
-- Locks      nothing
-- Moves      nothing
-- Raises     P0001 bad name · 42P01 no such queue
-- Retry      safe: reads only
create or replace function absurd.get_task_result(
  p_queue_name text,
  p_task_id    uuid
) returns table (task_id uuid, state text, result jsonb, failure_reason jsonb)
language plpgsql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select t.task_id, t.state, case when t.state = 'completed' then t.result end, case when t.state = 'failed' then t.error end
    from absurd.task t
    where t.task_id = p_task_id and t.queue_name = p_queue_name;
  if not found then   -- where there is a task there is its queue: who waits for a result asks often
    perform absurd._queue(absurd.validate_queue_name(p_queue_name), 't');
  end if;
end
$$;
