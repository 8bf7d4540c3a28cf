-- Invariants of the derived records: workflow_run and the log say what the tasks say.
create or replace function absurd._verify_workflow_run()
returns table (invariant text, queue_name text, task_id uuid, detail jsonb)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select 'workflow_run_is_there', t.queue_name, t.task_id, jsonb_build_object('state', t.state)
  from absurd.task t
  where t.parent_task_id is null and not exists (select from absurd.workflow_run w where w.workflow_run_id = t.task_id)
  union all
  select 'workflow_run_has_a_task', w.absurd_queue, w.workflow_run_id, jsonb_build_object('status', w.status)
  from absurd.workflow_run w
  where w.purged_at is null
    and not exists (select from absurd.task t where t.task_id = w.workflow_run_id and t.parent_task_id is null)
  union all
  select 'workflow_run_' || d.field || '_agrees', t.queue_name, t.task_id, jsonb_build_object('task', d.task_says, 'workflow_run', d.run_says)
  from absurd.workflow_run w
  join absurd.task t on t.task_id = w.workflow_run_id
  cross join lateral (values
    ('status', to_jsonb(t.state), to_jsonb(w.status)),
    ('attempts', to_jsonb(t.attempt), to_jsonb(w.attempts)),
    ('run', to_jsonb(absurd.run_id_of(t.task_id, t.attempt)), to_jsonb(w.absurd_run_id)),
    ('completed_at', to_jsonb(t.ended_at), to_jsonb(w.completed_at)),
    ('created_at', to_jsonb(t.enqueue_at), to_jsonb(w.created_at)),
    ('result', t.result, w.result),
    ('error', case when t.state in ('failed', 'cancelled') then t.error end, w.error),
    ('inputs', t.params, w.inputs)
  ) d(field, task_says, run_says)
  where d.task_says is distinct from d.run_says
  union all
  select 'workflow_run_started_at_agrees', t.queue_name, t.task_id,
         jsonb_build_object('log', l.started_at, 'workflow_run', w.started_at)
  from absurd.workflow_run w
  join absurd.task t on t.task_id = w.workflow_run_id
  cross join lateral (
    select bool_or(l.event = 'run.claimed') as started, min(l.at) filter (where l.event = 'run.claimed') as started_at
    from absurd.absurd_event_log l where l.task_id = t.task_id) l
  left join absurd.log_floor f on f.task_id = t.task_id
  where (w.started_at is not null) <> (l.started or f.started_at is not null)
$$;

create or replace function absurd._verify_log()
returns table (invariant text, queue_name text, task_id uuid, detail jsonb)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- each task's rows above its floor, which stands for those below: they were dropped, or a jump of the clock put them into a later week
  with chain as (
    select l.queue_name, l.task_id, l.seq, l.event, l.from_state, l.to_state, l.claim_epoch, l.worker,
           coalesce(lag(l.seq) over task, f.seq, 0) as seq_before, coalesce(lag(l.to_state) over task, f.state, 'new') as to_before,
           coalesce(max(l.claim_epoch) filter (where l.event = 'run.claimed') over task, f.claim_epoch) as epoch_claimed,
           coalesce(array_agg(l.worker) filter (where l.event = 'run.claimed') over task, array[f.worker]) as workers,
           row_number() over (partition by l.task_id order by l.seq desc) = 1 as is_head
    from absurd.absurd_event_log l left join absurd.log_floor f on f.task_id = l.task_id
    where l.task_id is not null and l.seq > coalesce(f.seq, 0)
    window task as (partition by l.task_id order by l.seq)
  ), head as (
    select c.queue_name, c.task_id, c.seq, c.to_state from chain c where c.is_head
    union all
    select null, f.task_id, f.seq, f.state from absurd.log_floor f where not exists (select from chain c where c.task_id = f.task_id)
  )
  select 'log_head_is_the_state', t.queue_name, t.task_id,
         jsonb_build_object('state', t.state, 'seq', t.seq, 'log_state', h.to_state, 'log_seq', h.seq)
  from absurd.task t left join head h on h.task_id = t.task_id
  where (h.to_state, h.seq) is distinct from (t.state, t.seq)
  union all
  select 'log_row_is_whole', l.queue_name, l.task_id, jsonb_build_object('log_id', l.log_id, 'seq', l.seq, 'event', l.event)
  from absurd.absurd_event_log l
  where (l.task_id is null) <> (l.seq is null) or (l.queue_name is null and l.event <> 'log.dropped')
  union all
  select 'log_seq_is_dense', c.queue_name, c.task_id, jsonb_build_object('seq', c.seq, 'before', c.seq_before)
  from chain c where c.seq <> c.seq_before + 1
  union all
  select 'log_from_is_the_previous_to', c.queue_name, c.task_id,
         jsonb_build_object('seq', c.seq, 'from', c.from_state, 'previous_to', c.to_before)
  from chain c where c.seq = c.seq_before + 1 and c.from_state is distinct from c.to_before
  union all
  select 'log_move_is_listed', c.queue_name, c.task_id,
         jsonb_build_object('seq', c.seq, 'from', c.from_state, 'to', c.to_state, 'event', c.event)
  from chain c
  where not exists (select from absurd.transition x
                    where x.from_state = c.from_state and x.to_state = c.to_state and x.event = c.event)
  union all
  select 'log_epoch_is_the_claims', c.queue_name, c.task_id,
         jsonb_build_object('seq', c.seq, 'claim_epoch', c.claim_epoch, 'claimed', c.epoch_claimed)
  from chain c
  where c.from_state = 'running' and (c.claim_epoch is distinct from c.epoch_claimed
        or c.worker is distinct from c.workers[cardinality(c.workers)])
  union all
  select 'log_has_one_end_between_retries', c.queue_name, c.task_id, jsonb_build_object('ends', c.ends, 'retries', c.retries)
  from (select n.queue_name, n.task_id, n.ends + coalesce(f.ends, 0) as ends, n.retries + coalesce(f.retries, 0) as retries
        from (select l.queue_name, l.task_id, count(*) filter (where l.to_state in ('completed', 'failed', 'cancelled')) as ends,
                     count(*) filter (where l.event = 'task.retried') as retries
              from chain l group by 1, 2) n
        left join absurd.log_floor f on f.task_id = n.task_id) c
  where c.ends > c.retries + 1
  union all
  select 'log_ends_with_the_task', h.queue_name, h.task_id, jsonb_build_object('log_state', h.to_state)
  from head h
  where h.to_state <> 'purged' and not exists (select from absurd.task t where t.task_id = h.task_id)
  union all
  select 'purge_is_logged', w.absurd_queue, w.workflow_run_id, jsonb_build_object('purged_at', w.purged_at)
  from absurd.workflow_run w, absurd.schema_meta m
  where w.purged_at >= m.log_starts_at + interval '1 hour' and not exists (
    select from absurd.absurd_event_log l where l.task_id = w.workflow_run_id and l.to_state = 'purged')
  union all
  -- a root's id is its workflow's. It is removed after its purge: while that is in the log, the removal is
  select 'removal_is_logged', p.queue_name, p.task_id, jsonb_build_object('purged_at', p.at)
  from absurd.absurd_event_log p, absurd.schema_meta m
  where p.to_state = 'purged' and p.task_id = p.workflow_run_id and p.at >= m.log_starts_at + interval '1 hour'
    and not exists (select from absurd.workflow_run w where w.workflow_run_id = p.task_id)
    and not exists (select from absurd.absurd_event_log r where r.workflow_run_id = p.task_id and r.event = 'workflow.removed')
  union all
  select 'emitted_event_is_logged', e.queue_name, null, jsonb_build_object('event', e.event_name)
  from absurd.event e, absurd.schema_meta m
  where e.emitted_at >= m.log_starts_at and not exists (
    select from absurd.absurd_event_log l
    where l.queue_name = e.queue_name and l.event = 'event.emitted' and l.task_id is null and l.detail ->> 'event' = e.event_name)
$$;
