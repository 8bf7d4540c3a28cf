-- emit_event: emit a queue's event; the first emission wins, and wakes every task that waits for it.
--
-- Called by  anybody
-- Locks      the event, then the waiting tasks by id
-- Moves      sleeping -> pending, each waiting task
-- Raises     P0001 no name · TW302, TW303 payload · TW304 name · 42P01 no such queue
-- Retry      safe: only the first emission counts
create or replace function absurd.emit_event(
  p_queue_name text,
  p_event_name text,
  p_payload    jsonb default null
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan   -- as worker_sync: planning its statements anew costs more than they do
as $$
begin
  perform absurd._check_name('event_name', p_event_name);
  if p_queue_name is null or not absurd._is_small(p_payload) then   -- else the insert of a new event's row refuses a missing queue
    perform absurd._check_payload('payload', p_payload, (absurd._queue(p_queue_name, 'e')).max_payload_bytes);
  end if;
  if exists (select from absurd.event e
             where e.queue_name = p_queue_name and e.event_name = p_event_name and e.emitted_at is not null) then
    return;
  end if;
  -- the row first, so that whoever awaits it meanwhile is either seen below, or sees it emitted
  if (absurd._lock_event(p_queue_name, p_event_name, true)).emitted_at is not null then
    return;
  end if;
  perform from absurd.task t
  where t.task_id = any (array(
    select w.task_id from absurd.wait w where w.queue_name = p_queue_name and w.event_name = p_event_name))
  order by t.task_id
  for no key update;

  update absurd.event e
  set payload = coalesce(p_payload, 'null'), emitted_at = absurd.current_time()
  where e.queue_name = p_queue_name and e.event_name = p_event_name and e.emitted_at is null;
end
$$;
