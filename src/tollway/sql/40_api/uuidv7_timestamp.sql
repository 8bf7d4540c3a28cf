-- uuidv7_timestamp: the time in a UUID of version 7, in whole milliseconds; null for other versions.
--
-- Called by  anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe: immutable
create or replace function absurd.uuidv7_timestamp(
  p_id uuid
) returns timestamptz
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case when substr(p_id::text, 15, 1) = '7' then
    to_timestamp(('x' || lpad(replace(left(p_id::text, 13), '-', ''), 16, '0'))::bit(64)::bigint / 1000.0) end
$$;
