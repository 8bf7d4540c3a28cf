-- week_bucket_utc: the Monday, 00:00 UTC, of a moment's week.
--
-- Called by  anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe: immutable
create or replace function absurd.week_bucket_utc(
  p_ts timestamptz
) returns timestamptz
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select date_trunc('week', p_ts at time zone 'UTC') at time zone 'UTC'
$$;
