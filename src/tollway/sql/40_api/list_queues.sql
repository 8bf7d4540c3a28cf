-- list_queues: the names of the queues, in order.
--
-- Called by  anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe: reads only
create or replace function absurd.list_queues() returns table (queue_name text)
language sql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select q.queue_name from absurd.queues q order by q.queue_name
$$;
