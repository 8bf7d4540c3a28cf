-- drop_queue: purge a queue with all its tasks, events and views; an unknown name changes nothing.
--
-- Called by  operator
-- Locks      absurd.event, then absurd.task against all who lock or write rows, then queues (one row); at most three seconds
--            waited for each
-- Moves      any -> purged
-- Raises     55P03 tasks were being changed for too long: try again
-- Retry      safe: the second call changes nothing
create or replace function absurd.drop_queue(
  p_queue_name text
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
declare
  v_context text;
  v_tasks   bigint;
begin
  if not exists (select from absurd.queues q where q.queue_name = p_queue_name) then
    return;
  end if;
  -- A spawn or an emission that read the queue before this must not leave its row behind. In the order of all locks: events, tasks,
  -- queues. Exclusive, so that whoever has locked a row, and is still to write it, is waited for before any row is held here.
  lock table absurd.event in exclusive mode;
  lock table absurd.task in exclusive mode;
  perform from absurd.queues q where q.queue_name = p_queue_name for update;
  if not found then
    return;
  end if;
  update absurd.queues q set dropping = true where q.queue_name = p_queue_name;
  delete from absurd.task t where t.queue_name = p_queue_name;
  get diagnostics v_tasks = row_count;
  delete from absurd.event e where e.queue_name = p_queue_name;
  delete from absurd.waiter w where w.queue_name = p_queue_name;
  perform absurd._drop_queue_views(p_queue_name);
  delete from absurd.queues q where q.queue_name = p_queue_name;

  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (queue_name, event, login_role, set_role, application_name, via, detail, incarnation, xid, at)
  select p_queue_name, 'queue.dropped', a.login_role, a.set_role, a.application_name, a.via,
         jsonb_build_object('tasks', v_tasks), a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a;
end
$$;
