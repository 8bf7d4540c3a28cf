-- cleanup_tasks: purge tasks that ended longer ago than the given age, oldest first, with all they own.
--
-- Called by  operator, cron
-- Locks      task rows, with SKIP LOCKED; their state is judged again under the lock
-- Moves      completed, failed, cancelled -> purged
-- Raises     P0001 age · 2201W negative limit · 42P01 no such queue
-- Retry      safe: goes on where it stopped
create or replace function absurd.cleanup_tasks(
  p_queue_name  text,
  p_ttl_seconds integer,
  p_limit       integer default 1000   -- null: no limit
) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before timestamptz;
  v_count  integer;
begin
  if p_ttl_seconds is null or p_ttl_seconds < 0 then
    raise exception 'TTL must be a non-negative number of seconds' using errcode = 'P0001', hint = 'Give seconds.';
  end if;
  perform absurd._queue(p_queue_name, 't');
  v_before := absurd.current_time() - make_interval(secs => p_ttl_seconds);
  delete from absurd.task t
  where t.task_id = any (array(
    select o.task_id from absurd.task o
    where o.queue_name = p_queue_name and o.state in ('completed', 'failed', 'cancelled') and o.ended_at < v_before
    order by o.ended_at, o.task_id
    limit p_limit
    for update skip locked));
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
