-- cleanup_all_queues: one batch of clean-up for each queue, by the queue's own policy.
--
-- Called by  operator, cron
-- Locks      as cleanup_tasks and cleanup_events
-- Moves      completed, failed, cancelled -> purged
-- Raises     P0001 bad name, no such queue
-- Retry      safe: goes on where it stopped
create or replace function absurd.cleanup_all_queues(
  p_queue_name text default null   -- null: all queues
) returns table (queue_name text, tasks_deleted integer, events_deleted integer)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_queue absurd.queues;
  v_ttl   integer;
begin
  perform absurd._named_queue(p_queue_name);
  for v_queue in
    select * from absurd.queues q where p_queue_name is null or q.queue_name = p_queue_name order by q.queue_name
  loop
    v_ttl := least(floor(extract(epoch from v_queue.cleanup_ttl)), 2147483647)::integer;
    queue_name := v_queue.queue_name;
    tasks_deleted := absurd.cleanup_tasks(v_queue.queue_name, v_ttl, v_queue.cleanup_limit);
    events_deleted := absurd.cleanup_events(v_queue.queue_name, v_ttl, v_queue.cleanup_limit);
    return next;
  end loop;
end
$$;
