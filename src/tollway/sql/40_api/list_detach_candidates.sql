-- list_detach_candidates: the partitions that may be detached. There are none: no queue has partitions of its own, and
-- what is old leaves through cleanup_tasks, and of the log through drop_log_before.
--
-- Called by  operator, cron
-- Locks      nothing
-- Moves      nothing
-- Raises     P0001 bad name, no such queue
-- Retry      safe: reads only
create or replace function absurd.list_detach_candidates(
  p_queue_name text default null   -- null: all queues
) returns table (queue_name text, parent_table text, partition_table text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform absurd._named_queue(p_queue_name);
end
$$;
