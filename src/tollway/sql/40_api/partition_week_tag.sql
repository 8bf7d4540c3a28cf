-- partition_week_tag: a moment's ISO week in UTC as three digits: the last one of its year, then the week.
--
-- Called by  anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe: immutable
create or replace function absurd.partition_week_tag(
  p_ts timestamptz
) returns text
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select right(extract(isoyear from p_ts at time zone 'UTC')::text, 1)
      || lpad(extract(week from p_ts at time zone 'UTC')::text, 2, '0')
$$;
