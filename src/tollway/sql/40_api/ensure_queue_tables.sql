-- ensure_queue_tables: make a queue's views again where they are missing.
--
-- Called by  operator, SDKs
-- Locks      nothing
-- Moves      nothing
-- Raises     P0001 bad name
-- Retry      safe: the second call changes nothing
create or replace function absurd.ensure_queue_tables(
  p_queue_name text
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform absurd._create_queue_views(absurd.validate_queue_name(p_queue_name));
end
$$;
