-- worker_sync: waits for events and for the end of tasks. An answer once given is a checkpoint; a time-out, too.
create or replace function absurd._sync_await(p_queue_name text, p_ops absurd.sync_op[]) returns absurd.sync_op[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_ops absurd.sync_op[];
  v_now timestamptz := absurd.current_time();
begin
  v_ops := array(
    select absurd._sync_awaited(
             o, case when w.outcome is not null and c.task_id is not null then 'already' else o.status end,
             coalesce(w.outcome, o.outcome), case when w.outcome in ('event', 'ended') then
               case when c.task_id is not null then c.state else coalesce(e.payload, a.payload) end end)
    from unnest(p_ops) o
    left join absurd.task t on o.op in ('await', 'await_task') and o.status = 'ok' and t.task_id = o.task_id
    left join absurd.checkpoint c on c.task_id = t.task_id and c.checkpoint_name = o.step
    left join absurd.event e on o.op = 'await' and e.queue_name = p_queue_name and e.event_name = o.event and e.emitted_at is not null
    left join lateral absurd._ended_task(o.awaited) a on o.op = 'await_task' and o.status = 'ok'
    left join lateral (
      select case f.outcome when 'happened' then case o.op when 'await' then 'event' else 'ended' end else f.outcome end as outcome
      from (select case when t.task_id is not null then absurd._wait_outcome(
              c.status, e.emitted_at is not null or a.payload is not null, t.wake_event, t.event_payload,
              coalesce(o.event, o.awaited::text)) end as outcome offset 0) f) w on true
    order by o.n);
  -- a suspended run does nothing more
  v_ops := array(
    select case when s.over and (s.op).status = 'ok' and (s.op).op not in ('checkpoint', 'emit', 'spawn')
                then absurd._sync_awaited(s.op, 'skipped', null, null) else s.op end
    from (select o as op, bool_or(o.outcome = 'suspended' and o.status = 'ok')
                 over (partition by o.task_id, o.epoch order by o.n rows between unbounded preceding and 1 preceding) as over
          from unnest(v_ops) o) s
    order by (s.op).n);

  insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, status, attempt, claim_epoch, updated_at)
  select o.task_id, o.step, p_queue_name, o.payload, case o.outcome when 'timed_out' then 'timed_out' else 'committed' end,
         o.attempt, o.epoch, v_now
  from unnest(v_ops) o
  where o.outcome in ('event', 'ended', 'timed_out') and o.status = 'ok'
  on conflict do nothing;

  update absurd.task t
  set wake_event = null, event_payload = null
  from unnest(v_ops) o
  where o.outcome in ('event', 'ended', 'timed_out') and o.status in ('ok', 'already') and t.task_id = o.task_id
    and (t.wake_event is not null or t.event_payload is not null);

  insert into absurd.wait (task_id, step_name, queue_name, event_name, awaited_task_id, timeout_at, attempt, created_at)
  select o.task_id, o.step, p_queue_name, o.event, o.awaited, o.moment, o.attempt, v_now
  from unnest(v_ops) o
  where o.outcome = 'suspended' and o.status = 'ok';

  update absurd.task t
  set state = 'sleeping', move_event = 'run.suspended', available_at = coalesce(o.moment, 'infinity'),
      wake_event = coalesce(o.event, o.awaited::text), event_payload = null,
      move_detail = jsonb_strip_nulls(jsonb_build_object('event', o.event, 'task', o.awaited, 'timeout_at', o.moment))
  from unnest(v_ops) o
  where o.outcome = 'suspended' and o.status = 'ok' and t.task_id = o.task_id;
  return v_ops;
end
$$;

create or replace function absurd._sync_awaited(p_op absurd.sync_op, p_status text, p_outcome text, p_payload jsonb) returns absurd.sync_op
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  p_op.status := p_status;
  p_op.outcome := p_outcome;
  p_op.payload := p_payload;
  return p_op;
end
$$;

-- _ended_task: how a task ended, as its awaiter sees it; null while it has not.
create or replace function absurd._ended_task(p_task_id uuid, out payload jsonb)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task absurd.task;
begin
  select * into v_task from absurd.task t where t.task_id = p_task_id;
  if not found and p_task_id is not null then
    payload := jsonb_build_object('state', 'purged', 'result', null, 'error', null);
  elsif v_task.ended_at is not null then
    payload := jsonb_build_object('state', v_task.state, 'result', v_task.result, 'error', v_task.error);
  end if;
end
$$;
