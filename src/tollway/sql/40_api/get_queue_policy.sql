-- get_queue_policy: a queue's storage mode and retention; no row for an unknown queue.
--
-- Called by  anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe: reads only
create or replace function absurd.get_queue_policy(
  p_queue_name text
) returns table (
  queue_name text, storage_mode text, default_partition text, partition_lookahead interval, partition_lookback interval,
  cleanup_ttl interval, cleanup_limit integer, detach_mode text, detach_min_age interval
)
language sql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select q.queue_name, q.storage_mode, q.default_partition, q.partition_lookahead, q.partition_lookback, q.cleanup_ttl,
         q.cleanup_limit, q.detach_mode, q.detach_min_age
  from absurd.queues q
  where q.queue_name = p_queue_name
$$;
