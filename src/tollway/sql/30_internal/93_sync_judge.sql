-- worker_sync, third: what may each operation do? Read in the statement after the locks, so nothing can change any more.
-- Refused, conflicting and busy operations stop the later ones of their task; so does an operation that ends the run.
create or replace function absurd._sync_judge(
  p_queue_name text, p_ops absurd.sync_op[], p_tasks uuid[], p_events text[], p_queues text[]
) returns absurd.sync_op[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return array(
    select absurd._sync_judged(j.op, j.attempt, case when j.over then 'skipped' else j.verdict end, j.child)
    from (
      select o.*, coalesce(bool_or(o.verdict in ('refused', 'conflict', 'busy')
                                   or o.verdict = 'ok' and (o.op).op not in ('checkpoint', 'emit', 'spawn', 'await', 'await_task'))
               over (partition by (o.op).task_id, (o.op).epoch order by (o.op).n
                     rows between unbounded preceding and 1 preceding), false) as over
      from (
        select i as op, t.attempt, case when i.op = 'spawn' then first_value(i.child) over step end as child,
               case
                 when i.status is not null then i.status
                 when t.task_id is null then 'stale'
                 when t.task_id <> all (p_tasks) then 'busy'
                 when t.state = 'running' and t.claim_epoch = i.epoch then
                   case
                     when i.op = 'checkpoint' then coalesce((
                       select case when c.state is not distinct from i.value and c.status = 'committed' then 'already' else 'conflict' end
                       from absurd.checkpoint c where c.task_id = i.task_id and c.checkpoint_name = i.step),
                       case when row_number() over step = 1 then 'ok'
                            when i.value is not distinct from first_value(i.value) over step and first_value(i.op) over step = i.op
                              then 'already' else 'conflict' end)
                     when i.op = 'spawn' then coalesce((
                       select case when i.child is not null then 'already' else 'conflict' end
                       from absurd.checkpoint c where c.task_id = i.task_id and c.checkpoint_name = i.step),
                       case when row_number() over step > 1 then case first_value(i.op) over step when i.op then 'already' else 'conflict' end
                            when i.spec ->> 'queue' <> all (p_queues) then 'busy' else 'ok' end)
                     when i.op in ('emit', 'await') and i.event <> all (p_events) then 'busy'
                     when i.op = 'await_task' and i.awaited <> all (p_tasks)
                          and exists (select from absurd.task a where a.task_id = i.awaited) then 'busy'
                     else 'ok'
                   end
                 when t.state = 'cancelled' and t.claim_epoch = i.epoch then 'cancelled'
                 when absurd._sync_happened(i, t.claim_epoch, t.last_event) then 'already'
                 else 'stale'
               end as verdict
        from unnest(p_ops) i
        left join absurd.task t on t.task_id = i.task_id and t.queue_name = p_queue_name
        window step as (partition by i.task_id, i.epoch, i.op in ('checkpoint', 'spawn'), i.step order by i.n)
      ) o
    ) j
    order by (j.op).n);
end
$$;

create or replace function absurd._sync_judged(p_op absurd.sync_op, p_attempt integer, p_status text, p_child uuid) returns absurd.sync_op
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  p_op.attempt := p_attempt;
  p_op.status := p_status;
  p_op.child := p_child;
  if p_status = 'already' and p_op.op in ('await', 'await_task') then
    p_op.outcome := 'suspended';
  end if;
  return p_op;
end
$$;

-- _sync_happened: did this operation, whose answer was lost, happen? The run is no longer held under its epoch.
create or replace function absurd._sync_happened(p_op absurd.sync_op, p_epoch bigint, p_last_event text) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when p_op.op = 'checkpoint' then exists (
      select from absurd.checkpoint c
      where c.task_id = p_op.task_id and c.checkpoint_name = p_op.step and c.claim_epoch = p_op.epoch
        and c.state is not distinct from p_op.value)
    when p_op.op = 'spawn' then exists (
      select from absurd.checkpoint c
      where c.task_id = p_op.task_id and c.checkpoint_name = p_op.step and c.claim_epoch = p_op.epoch and p_op.child is not null)
    when p_op.op = 'complete' then exists (
      select from absurd.run r
      where r.task_id = p_op.task_id and r.claim_epoch = p_op.epoch and r.state = 'completed'
        and coalesce(r.result, 'null') = p_op.value)
    when p_op.op = 'fail' then exists (
      select from absurd.run r
      where r.task_id = p_op.task_id and r.claim_epoch = p_op.epoch and r.state = 'failed'
        and coalesce(r.failure_reason, 'null') = p_op.value)
    when p_epoch <> p_op.epoch then false
    when p_op.op = 'sleep' then p_last_event = 'run.suspended'
    when p_op.op in ('await', 'await_task') then p_last_event in ('run.suspended', 'run.woken')
    when p_op.op = 'put_back' then p_last_event = 'run.put_back'
    when p_op.op = 'release' then p_last_event = 'run.released'
    else false
  end;
end
$$;
