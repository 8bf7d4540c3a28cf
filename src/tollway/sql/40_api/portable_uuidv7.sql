-- portable_uuidv7: a new UUID of version 7.
--
-- Called by  spawn_task, anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe: each call gives another id
create or replace function absurd.portable_uuidv7() returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_micros bigint;
  v_random text;
begin
  if current_setting('server_version_num')::integer >= 180000 then
    return uuidv7();
  end if;
  v_micros := floor(extract(epoch from absurd.current_time()) * 1000000);
  v_random := replace(gen_random_uuid()::text, '-', '');
  -- 48 bits of milliseconds, the version, 12 bits of the fraction of one (RFC 9562, section 6.2, method 3), the variant that
  -- gen_random_uuid has set, 62 random bits
  return (lpad(to_hex(v_micros / 1000), 12, '0') || '7' || lpad(to_hex(v_micros % 1000 * 4096 / 1000), 3, '0')
    || substr(v_random, 17, 16))::uuid;
end
$$;
