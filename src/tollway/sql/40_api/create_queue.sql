-- create_queue: make a queue and its read-only views; an existing one of the same mode is left as it is.
--
-- Called by  operator, SDKs
-- Locks      queues (one row, shared; exclusively while its views are missing)
-- Moves      nothing
-- Raises     P0001 bad name, unknown mode, other mode than the existing queue's
-- Retry      safe: the second call changes nothing
create or replace function absurd.create_queue(
  p_queue_name   text,
  p_storage_mode text
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_mode text := lower(btrim(p_storage_mode));
  v_have text;
  v_bare boolean;   -- views are missing
begin
  perform absurd.validate_queue_name(p_queue_name);
  if v_mode is null or v_mode not in ('unpartitioned', 'partitioned') then
    raise exception 'Unsupported queue storage mode "%"', coalesce(p_storage_mode, '<NULL>')
      using errcode = 'P0001', hint = 'The modes are unpartitioned and partitioned.';
  end if;
  loop
    insert into absurd.queues (queue_name, storage_mode) values (p_queue_name, v_mode) on conflict do nothing;
    -- held to commit, so that no drop_queue comes before the views are there; one may come between the two, hence the loop.
    -- Shared when nothing is to be made, for clients call this before each spawn; who makes the views makes them alone.
    v_bare := absurd._lacks_views(p_queue_name);
    if v_bare then
      select q.storage_mode into v_have from absurd.queues q where q.queue_name = p_queue_name for no key update;
    else
      select q.storage_mode into v_have from absurd.queues q where q.queue_name = p_queue_name for share;
    end if;
    exit when found;
  end loop;
  if v_have <> v_mode then
    raise exception 'Queue "%" already exists with storage mode "%"', p_queue_name, v_have
      using errcode = 'P0001', hint = 'Create it with the mode it has.';
  end if;
  -- views that are there must not be replaced, and locked to the end of the transaction; another call may have made them meanwhile
  if v_bare and absurd._lacks_views(p_queue_name) then
    perform absurd._create_queue_views(p_queue_name);
  end if;
end
$$;

-- create_queue(name): the same, unpartitioned.
create or replace function absurd.create_queue(
  p_queue_name text
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform absurd.create_queue(p_queue_name, 'unpartitioned');
end
$$;
