-- _checkpoints: a task's saved steps as {step: {state, status}}.
create or replace function absurd._checkpoints(p_task_id uuid) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_object_agg(c.checkpoint_name, jsonb_build_object('state', c.state, 'status', c.status)), '{}')
    from absurd.checkpoint c
    where c.task_id = p_task_id);
end
$$;
