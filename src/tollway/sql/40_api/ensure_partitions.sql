-- ensure_partitions: make the log's partitions of this week and the next four, those that are not there. All queues share them; the
-- queue's name is checked, as absurd's clients and cron jobs expect.
--
-- Called by  worker, operator, cron, SDKs
-- Locks      when one is missing: log_partition, and the log's default partition against its readers; at most a second waited for each
-- Moves      nothing
-- Raises     P0001 bad name, no such queue · 55P03 the log was being read for too long: try again
-- Retry      safe: the second call makes nothing
create or replace function absurd.ensure_partitions(
  p_queue_name text default null   -- null: all queues
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
begin
  perform absurd._named_queue(p_queue_name);
  perform absurd._ensure_log_partitions();
end
$$;
