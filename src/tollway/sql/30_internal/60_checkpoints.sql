-- _checkpoints: the saved steps of a task as {step: {state, status}}. In SQL and without settings, so that it becomes part of the
-- statement that asks.
create or replace function absurd._checkpoints(p_task_id uuid) returns table (checkpoints jsonb)
language sql stable
as $$
  select coalesce(jsonb_object_agg(c.checkpoint_name, jsonb_build_object('state', c.state, 'status', c.status)), '{}')
  from absurd.checkpoint c
  where c.task_id = p_task_id
$$;
