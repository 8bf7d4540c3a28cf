-- worker_busy: no NOTIFY is wanted any more.
--
-- Called by  worker that found work
-- Locks      waiter (one row of its own)
-- Moves      nothing
-- Raises     nothing
-- Retry      safe
create or replace function absurd.worker_busy(
  p_queue_name text,
  p_instance   uuid
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from absurd.waiter w where w.queue_name = p_queue_name and w.instance = p_instance;
end
$$;
