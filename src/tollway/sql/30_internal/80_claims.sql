-- _claims: [{"task_id", "epoch"}, ...] as rows, checked.
create or replace function absurd._claims(p_claims jsonb) returns table (task_id uuid, epoch bigint)
language plpgsql stable rows 50
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(p_claims) is distinct from 'array' then
    raise exception 'claims must be a JSON array, not %', coalesce(jsonb_typeof(p_claims), 'null')
      using errcode = 'TW301', hint = 'Give [{"task_id": ..., "epoch": ...}, ...].';
  end if;
  return query
    select absurd._uuid_option('task_id', e -> 'task_id'),
           absurd._number_option('epoch', e -> 'epoch', 0, 9e15, true)::bigint
    from jsonb_array_elements(p_claims) e;
end
$$;
