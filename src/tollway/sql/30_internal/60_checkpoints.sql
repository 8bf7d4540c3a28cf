-- _checkpoints: the saved steps of tasks as {step: {state, status}}; no row for a task without any.
create or replace function absurd._checkpoints(p_task_ids uuid[]) returns table (task_id uuid, steps jsonb)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return query
    select c.task_id, jsonb_object_agg(c.checkpoint_name, jsonb_build_object('state', c.state, 'status', c.status))
    from absurd.checkpoint c
    where c.task_id = any (p_task_ids)
    group by c.task_id;
end
$$;
