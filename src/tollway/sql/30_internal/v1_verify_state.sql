-- Invariants of the state itself. Each row returned is one disagreement, under the name of its invariant.
create or replace function absurd._verify_state()
returns table (invariant text, queue_name text, task_id uuid, detail jsonb)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select 'lease_only_while_running', t.queue_name, t.task_id, jsonb_build_object('state', t.state, 'lease', t.claim_expires_at)
  from absurd.task t where (t.claim_expires_at is not null) <> (t.state = 'running')
  union all
  select 'owner_only_while_running', t.queue_name, t.task_id, jsonb_build_object('state', t.state, 'owner', t.claimed_by)
  from absurd.task t where (t.claimed_by is not null) <> (t.state = 'running')
  union all
  select 'running_has_started', t.queue_name, t.task_id, jsonb_build_object('claim_epoch', t.claim_epoch, 'started_at', t.started_at)
  from absurd.task t
  where t.state = 'running' and (t.claim_epoch < 1 or t.started_at is null or t.first_started_at is null or t.claimed_at is null)
  union all
  select 'end_time_only_when_terminal', t.queue_name, t.task_id, jsonb_build_object('state', t.state, 'ended_at', t.ended_at)
  from absurd.task t where (t.ended_at is not null) <> (t.state in ('completed', 'failed', 'cancelled'))
  union all
  select 'attempts_within_limit', t.queue_name, t.task_id, jsonb_build_object('attempt', t.attempt, 'max_attempts', t.max_attempts)
  from absurd.task t where t.attempt > t.max_attempts
  union all
  select 'queue_is_there', t.queue_name, t.task_id, null
  from absurd.task t where not exists (select from absurd.queues q where q.queue_name = t.queue_name)
  union all
  select 'queue_is_there', e.queue_name, null, jsonb_build_object('event', e.event_name)
  from absurd.event e where not exists (select from absurd.queues q where q.queue_name = e.queue_name)
  union all
  select 'on_move_has_its_queues', h.queue_name, null, jsonb_build_object('handler_queue', h.handler_queue, 'handler_task', h.handler_task)
  from absurd.on_move h
  where not exists (select from absurd.queues q where q.queue_name = h.queue_name)
     or not exists (select from absurd.queues q where q.queue_name = h.handler_queue)
  union all
  select 'parent_is_there_or_purged', t.queue_name, t.task_id, jsonb_build_object('parent', t.parent_task_id)
  from absurd.task t
  where t.parent_task_id is not null and not exists (select from absurd.task p where p.task_id = t.parent_task_id)
    and not exists (select from absurd.absurd_event_log l where l.task_id = t.parent_task_id and l.to_state = 'purged')
    and not exists (select from absurd.log_floor f where f.task_id = t.parent_task_id and f.state = 'purged')
  union all
  select 'no_lease_beyond_grace', t.queue_name, t.task_id, jsonb_build_object('lease', t.claim_expires_at, 'worker', t.claimed_by)
  from absurd.task t
  where t.state = 'running' and t.claim_expires_at < absurd.current_time() - interval '1 minute'
    and exists (select from absurd.waiter w where w.queue_name = t.queue_name and w.until > absurd.current_time())
  union all
  select 'nothing_runnable_beside_an_idle_worker', t.queue_name, t.task_id, jsonb_build_object('available_at', t.available_at)
  from absurd.task t
  where t.state in ('pending', 'sleeping') and t.available_at < absurd.current_time() - interval '1 minute'
    and exists (select from absurd.waiter w where w.queue_name = t.queue_name and w.until > absurd.current_time())
$$;
