-- worker_sync, fourth: do it. One statement for each kind of operation.

create or replace function absurd._sync_checkpoints(p_queue_name text, p_ops absurd.sync_op[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- on conflict: the same step twice in one call; the first wins, as everywhere
  insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch, updated_at, duration_ms)
  select o.task_id, o.step, p_queue_name, case o.op when 'spawn' then absurd._spawned(o.child, o.spec ->> 'queue') else o.value end,
         o.attempt, o.epoch, absurd.current_time(), o.duration_ms
  from unnest(p_ops) o
  where o.op in ('checkpoint', 'spawn') and o.status = 'ok'
  order by o.n
  on conflict do nothing;
end
$$;

-- First emissions, in one statement, so that the gate wakes whoever waits for them once. By ctid, which the lock holds still:
-- while the table has no statistics, a join on the names is planned as a scan of the whole queue.
create or replace function absurd._sync_emit(p_queue_name text, p_ops absurd.sync_op[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  if not exists (select from unnest(p_ops) i where i.op = 'emit' and i.status = 'ok') then
    return;   -- even an update of no rows locks the table, which is too late once tasks are locked
  end if;
  update absurd.event e
  set payload = o.value, emitted_at = absurd.current_time()
  from (select distinct on (i.event) i.event, i.value from unnest(p_ops) i
        where i.op = 'emit' and i.status = 'ok' order by i.event, i.n) o,
       lateral (select h.ctid as place from absurd.event h
                where h.queue_name = p_queue_name and h.event_name = o.event and h.emitted_at is null offset 0) h
  where e.ctid = h.place;
end
$$;

-- Runs end and suspend: the gate does the rest.
create or replace function absurd._sync_end(p_ops absurd.sync_op[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_now     timestamptz := absurd.current_time();
  v_tasks   uuid[];
  v_results jsonb[];
begin
  select array_agg(o.task_id), array_agg(o.value) into v_tasks, v_results
  from unnest(p_ops) o where o.op = 'complete' and o.status = 'ok';
  if v_tasks is not null then
    perform absurd._sync_complete(v_tasks, v_results);
  end if;
  if exists (select from unnest(p_ops) o where o.op in ('fail', 'sleep', 'put_back', 'release') and o.status = 'ok') then
    -- before the failures, which cancel children: those that suspend in this very call are running still
    update absurd.task t
    set state = case o.op when 'release' then 'pending' else 'sleeping' end,
        move_event = case o.op when 'sleep' then 'run.suspended' when 'put_back' then 'run.put_back' else 'run.released' end,
        move_detail = case o.op when 'release' then null else jsonb_build_object('until', o.moment) end,
        available_at = coalesce(o.moment, v_now), wake_event = case o.op when 'sleep' then null else t.wake_event end
    from unnest(p_ops) o
    where o.op in ('sleep', 'put_back', 'release') and o.status = 'ok' and t.task_id = o.task_id;

    update absurd.task t
    set state = f.state, move_event = f.move_event, move_detail = f.detail, attempt = f.attempt, available_at = f.available_at,
        error = f.error
    from unnest(p_ops) o
    join absurd.task h on h.task_id = o.task_id
    cross join lateral absurd._fail_outcome(h, o.value, o.moment, o.retryable, v_now) f
    where o.op = 'fail' and o.status = 'ok' and t.task_id = o.task_id;
  end if;
end
$$;
