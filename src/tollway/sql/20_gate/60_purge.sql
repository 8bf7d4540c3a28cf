-- Rows leave only through clean-up or with their queue, and each leaves a last log row. So does a workflow_run, later.

create or replace function absurd._gate_check_delete() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from absurd.transition x where x.from_state = old.state and x.to_state = 'purged' and x.event = 'task.purged')
     and (old.state in ('completed', 'failed', 'cancelled')
          or exists (select from absurd.queues q where q.queue_name = old.queue_name and q.dropping)) then
    return old;
  end if;
  raise exception 'task % is % and cannot be deleted', old.task_id, old.state
    using errcode = 'TW104', hint = 'Cancel it with absurd.cancel_task; absurd.cleanup_tasks deletes terminal tasks.';
end
$$;

create or replace function absurd._gate_project_delete() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_context text;
  v_ids     uuid[] := array(select o.task_id from old_rows o order by o.task_id);
begin
  if cardinality(v_ids) = 0 then
    return null;
  end if;
  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (
    queue_name, task_id, seq, workflow_run_id, run_id, attempt, claim_epoch, event, from_state, to_state, worker,
    login_role, set_role, application_name, via, incarnation, xid, at)
  select o.queue_name, o.task_id, o.seq + 1, o.workflow_run_id, absurd.run_id_of(o.task_id, o.attempt), o.attempt,
         o.claim_epoch, 'task.purged', o.state, 'purged', o.claimed_by,
         a.login_role, a.set_role, a.application_name, a.via, a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a, old_rows o;

  delete from absurd.wait w where w.task_id = any (v_ids);
  delete from absurd.checkpoint c where c.task_id = any (v_ids);
  delete from absurd.run r where r.task_id = any (v_ids);
  update absurd.workflow_run w set purged_at = absurd.current_time(), updated_at = absurd.current_time()
  where w.workflow_run_id = any (v_ids);
  perform absurd._wake_awaiters(v_ids);
  return null;
end
$$;

-- A workflow_run goes after its task, whose log has ended: this row of the log is of no task, and tells no move.
create or replace function absurd._workflow_run_project_delete() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  if exists (select from old_rows o where o.purged_at is null) then
    raise exception 'DELETE on absurd.workflow_run is refused while its task is there'
      using errcode = 'TW104', hint = 'A workflow_run may go once purged_at is set.';
  end if;
  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (
    queue_name, workflow_run_id, event, login_role, set_role, application_name, via, detail, incarnation, xid, at)
  select o.absurd_queue, o.workflow_run_id, 'workflow.removed', a.login_role, a.set_role, a.application_name, a.via,
         jsonb_build_object('workflow', o.workflow_name, 'status', o.status, 'purged_at', o.purged_at), a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a, old_rows o;
  return null;
end
$$;
