-- cleanup_events: delete events that were emitted longer ago than the given age, and placeholders nobody waits for.
--
-- Called by  operator, cron
-- Locks      event rows, with SKIP LOCKED
-- Moves      nothing
-- Raises     P0001 age · 2201W negative limit · 42P01 no such queue
-- Retry      safe: goes on where it stopped
create or replace function absurd.cleanup_events(
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
  perform absurd._queue(p_queue_name, 'e');
  v_before := absurd.current_time() - make_interval(secs => p_ttl_seconds);
  delete from absurd.event e
  where e.queue_name = p_queue_name and e.event_name = any (array(
    select o.event_name from absurd.event o
    where o.queue_name = p_queue_name and coalesce(o.emitted_at, 'epoch') < v_before
      and (o.emitted_at is not null or not exists (
        select from absurd.wait w where w.queue_name = o.queue_name and w.event_name = o.event_name))
    order by o.emitted_at nulls first, o.event_name
    limit p_limit
    for update skip locked));
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
