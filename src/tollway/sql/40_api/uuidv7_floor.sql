-- uuidv7_floor: the smallest UUID of version 7 of a millisecond.
--
-- Called by  anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     P0001 the time is outside the range of UUIDv7
-- Retry      safe: immutable
create or replace function absurd.uuidv7_floor(
  p_ts timestamptz
) returns uuid
language plpgsql immutable strict
set search_path = pg_catalog, pg_temp
as $$
declare
  v_millis numeric;
begin
  if isfinite(p_ts) then
    v_millis := floor(extract(epoch from p_ts) * 1000);
  end if;
  if v_millis is null or v_millis not between 0 and 281474976710655 then
    raise exception 'Timestamp "%" is outside UUIDv7 supported range', p_ts
      using errcode = 'P0001', hint = 'Give a time from 1970 to 10889.';
  end if;
  return (lpad(to_hex(v_millis::bigint), 12, '0') || '7000' || '8000000000000000')::uuid;
end
$$;
