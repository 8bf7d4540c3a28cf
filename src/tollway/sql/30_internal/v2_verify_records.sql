-- Invariants between a task and the rows it owns: ended attempts, checkpoints, waits.
create or replace function absurd._verify_records()
returns table (invariant text, queue_name text, task_id uuid, detail jsonb)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select 'ended_attempts_are_recorded_once', t.queue_name, t.task_id,
         jsonb_build_object('attempt', t.attempt, 'state', t.state, 'recorded', r.n, 'highest', r.highest)
  from absurd.task t
  left join lateral (select count(*) as n, coalesce(max(r.attempt), 0) as highest from absurd.run r where r.task_id = t.task_id) r on true
  where (r.n, r.highest) is distinct from
        (t.attempt - (t.ended_at is null)::integer::bigint, t.attempt - (t.ended_at is null)::integer)
  union all
  select 'ended_attempt_has_a_task', r.queue_name, r.task_id, jsonb_build_object('attempt', r.attempt)
  from absurd.run r where not exists (select from absurd.task t where t.task_id = r.task_id)
  union all
  select 'completed_has_its_result', t.queue_name, t.task_id, jsonb_build_object('run_state', r.state)
  from absurd.task t left join absurd.run r on r.task_id = t.task_id and r.attempt = t.attempt
  where t.state = 'completed' and r.task_id is not null and (r.state <> 'completed' or r.result is distinct from t.result)
  union all
  select 'failed_has_its_reason', t.queue_name, t.task_id, jsonb_build_object('run_state', r.state)
  from absurd.task t left join absurd.run r on r.task_id = t.task_id and r.attempt = t.attempt
  where t.state = 'failed' and r.task_id is not null and (r.state <> 'failed' or r.failure_reason is distinct from t.error)
  union all
  select 'checkpoint_has_a_task', c.queue_name, c.task_id, jsonb_build_object('step', c.checkpoint_name)
  from absurd.checkpoint c where not exists (select from absurd.task t where t.task_id = c.task_id)
  union all
  select 'checkpoint_epoch_was_current', c.queue_name, c.task_id,
         jsonb_build_object('step', c.checkpoint_name, 'attempt', c.attempt, 'claim_epoch', c.claim_epoch)
  from absurd.checkpoint c join absurd.task t on t.task_id = c.task_id
  where c.claim_epoch < 1 or (not exists (
    select from absurd.absurd_event_log l
    where l.task_id = c.task_id and l.event = 'run.claimed' and l.claim_epoch = c.claim_epoch and l.attempt = c.attempt)
    -- of the claims that left with the log, the last is known
    and not exists (
      select from absurd.log_floor f where f.task_id = c.task_id and f.claim_epoch >= c.claim_epoch and f.attempt >= c.attempt))
  union all
  select 'wait_belongs_to_a_sleeping_task', w.queue_name, w.task_id, jsonb_build_object('step', w.step_name, 'state', t.state)
  from absurd.wait w left join absurd.task t on t.task_id = w.task_id
  where t.state is distinct from 'sleeping'
  union all
  select 'nothing_sleeps_on_an_emitted_event', t.queue_name, t.task_id, jsonb_build_object('event', w.event_name)
  from absurd.wait w
  join absurd.task t on t.task_id = w.task_id and t.state = 'sleeping' and t.available_at > absurd.current_time()
  join absurd.event e on e.queue_name = w.queue_name and e.event_name = w.event_name and e.emitted_at is not null
  where not exists (select from absurd.follow_up f where f.task_id = w.task_id and f.kind = 'wake'
                    and f.created_at > absurd.current_time() - interval '1 minute')
  union all
  select 'nothing_sleeps_on_an_ended_task', t.queue_name, t.task_id, jsonb_build_object('task', w.awaited_task_id)
  from absurd.wait w
  join absurd.task t on t.task_id = w.task_id and t.state = 'sleeping' and t.available_at > absurd.current_time()
  left join absurd.task a on a.task_id = w.awaited_task_id
  where w.awaited_task_id is not null and (a.task_id is null or a.ended_at is not null)
    and not exists (select from absurd.follow_up f where f.task_id = w.task_id and f.kind = 'wake'
                    and f.created_at > absurd.current_time() - interval '1 minute')
  union all
  select 'sleeping_for_ever_has_a_wait', t.queue_name, t.task_id, null
  from absurd.task t
  where t.state = 'sleeping' and t.available_at = 'infinity' and t.last_event = 'run.suspended'
    and t.wake_event is not null and not exists (select from absurd.wait w where w.task_id = t.task_id)
$$;
