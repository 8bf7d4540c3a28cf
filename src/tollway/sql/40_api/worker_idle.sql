-- worker_idle: ask for a NOTIFY on channel absurd_work when a task becomes due, until then.
--
-- Called by  worker that went idle; it polls once more after this commits
-- Locks      waiter (one row of its own; what expired long ago, with SKIP LOCKED)
-- Moves      nothing
-- Raises     42P01 no such queue · 23502 no instance
-- Retry      safe
create or replace function absurd.worker_idle(
  p_queue_name text,
  p_instance   uuid,
  p_seconds    integer default 15   -- a dead worker's wish expires by itself, after an hour at the latest
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform absurd._queue(p_queue_name, 't');
  insert into absurd.waiter (queue_name, instance, until)
  values (p_queue_name, p_instance, absurd.current_time() + make_interval(secs => least(coalesce(p_seconds, 15), 3600)))
  on conflict (queue_name, instance) do update set until = excluded.until;
  -- skipping: two that come back after an hour must not wait for one another's rows
  delete from absurd.waiter w
  where w.queue_name = p_queue_name and w.instance = any (array(
    select o.instance from absurd.waiter o
    where o.queue_name = p_queue_name and o.until < absurd.current_time() - interval '1 hour'
    for update skip locked));
end
$$;
