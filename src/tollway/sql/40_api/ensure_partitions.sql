-- ensure_partitions: accept what absurd's clients and cron jobs call. All queues share one set of tables, which has no
-- partitions to make, so only the name is checked.
--
-- Called by  operator, cron, SDKs
-- Locks      nothing
-- Moves      nothing
-- Raises     P0001 bad name, no such queue
-- Retry      safe: changes nothing
create or replace function absurd.ensure_partitions(
  p_queue_name text default null   -- null: all queues
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform absurd._named_queue(p_queue_name);
end
$$;
