-- _mend_workflow_run: the row as the gate would have left it.
create or replace function absurd._mend_workflow_run(p_task absurd.task) returns absurd.workflow_run
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run     absurd.workflow_run;
  v_started timestamptz := coalesce(
    (select f.started_at from absurd.log_floor f where f.task_id = p_task.task_id),
    (select min(l.at) from absurd.absurd_event_log l where l.task_id = p_task.task_id and l.event = 'run.claimed'));
begin
  insert into absurd.workflow_run as w (
    workflow_run_id, external_id, workflow_name, workflow_version, workflow_hash, status, absurd_queue, absurd_run_id, inputs, result,
    error, tags, created_by, attempts, created_at, started_at, completed_at, updated_at)
  values (
    p_task.task_id, p_task.headers ->> 'workflow_run_id', p_task.task_name, p_task.workflow_version, p_task.workflow_hash, p_task.state,
    p_task.queue_name, absurd.run_id_of(p_task.task_id, p_task.attempt), p_task.params, p_task.result,
    case when p_task.state in ('failed', 'cancelled') then p_task.error end, p_task.tags, p_task.created_by, p_task.attempt,
    p_task.enqueue_at, v_started, p_task.ended_at, absurd.current_time())
  on conflict (workflow_run_id) do update
  set status = excluded.status, absurd_run_id = excluded.absurd_run_id, inputs = excluded.inputs, result = excluded.result,
      error = excluded.error, attempts = excluded.attempts, created_at = excluded.created_at,
      started_at = case when v_started is null then null else coalesce(w.started_at, v_started) end,
      completed_at = excluded.completed_at, updated_at = excluded.updated_at
  returning * into v_run;
  return v_run;
end
$$;

-- _repaired: log a mend, with before and after.
create or replace function absurd._repaired(p_action text, p_queue_name text, p_task_id uuid, p_before jsonb, p_after jsonb)
returns table (action text, queue_name text, task_id uuid, before jsonb, after jsonb)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (
    queue_name, workflow_run_id, event, login_role, set_role, application_name, via, detail, incarnation, xid, at)
  select p_queue_name, p_task_id, 'repaired', a.login_role, a.set_role, a.application_name, a.via,
         jsonb_build_object('action', p_action, 'task_id', p_task_id, 'before', p_before, 'after', p_after), a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a;
  return query select p_action, p_queue_name, p_task_id, p_before, p_after;
end
$$;
