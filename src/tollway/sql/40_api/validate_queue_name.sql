-- validate_queue_name: the name as given, if a queue may have it.
--
-- Called by  create_queue, set_queue_policy, get_task_result, anybody
-- Locks      nothing
-- Moves      nothing
-- Raises     P0001 no name, or over 57 bytes
-- Retry      safe: immutable
create or replace function absurd.validate_queue_name(
  p_queue_name text
) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_queue_name is null or p_queue_name = '' then
    raise exception 'Queue name must be provided' using errcode = 'P0001', hint = 'Give 1 to 57 bytes of text.';
  end if;
  if octet_length(p_queue_name) > 57 then
    raise exception 'Queue name "%" is too long (max 57 bytes).', p_queue_name
      using errcode = 'P0001', hint = 'Give 1 to 57 bytes of text.';
  end if;
  return p_queue_name;
end
$$;
