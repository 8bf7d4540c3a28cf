-- worker_sync, second: lock, in the order that every function keeps: events by name (_sync_lock_events), tasks by id. Nothing is
-- waited for, so one held row makes its own operations busy and no others; only a first emission not yet committed is. A strict
-- call waits: it takes the same rows in the same order, and then finds all of them.
create or replace function absurd._sync_lock(
  p_queue_name text, p_ops absurd.sync_op[], p_wait boolean, out tasks uuid[], out queues text[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids uuid[];
begin
  v_ids := array(select o.task_id from unnest(p_ops) o where o.status is null);
  if exists (select from unnest(p_ops) o where o.op = 'emit' and o.status is null) then
    -- whoever an emission wakes
    v_ids := v_ids || array(
      select w.task_id from absurd.wait w
      where w.queue_name = p_queue_name and w.event_name = any (
        array(select o.event from unnest(p_ops) o where o.op = 'emit' and o.status is null)));
  end if;
  -- whose end is awaited: it must not end unseen between our look and our registration
  v_ids := v_ids || array(select o.awaited from unnest(p_ops) o where o.awaited is not null and o.status is null);
  if p_wait then
    perform from absurd.task t where t.task_id = any (v_ids) order by t.task_id for no key update;
  end if;
  tasks := array(
    select t.task_id from absurd.task t where t.task_id = any (v_ids) order by t.task_id for no key update skip locked);
  if exists (select from unnest(p_ops) o where o.op = 'spawn' and o.status is null) then
    -- where children go: drop_queue must not come between our look and the insert, which would fail the whole call
    queues := array(select distinct o.spec ->> 'queue' from unnest(p_ops) o where o.op = 'spawn' and o.status is null);
    if p_wait then
      perform from absurd.queues q where q.queue_name = any (queues) order by q.queue_name for key share;
    end if;
    queues := array(
      select q.queue_name from absurd.queues q where q.queue_name = any (queues) order by q.queue_name for key share skip locked);
  end if;
end
$$;

-- _sync_lock_events: the events of these operations that are ours; locked before any task, for an insert may wait. One probe each:
-- while the table has no statistics, a statement for all of them is planned as a scan of the whole queue.
create or replace function absurd._sync_lock_events(p_queue_name text, p_ops absurd.sync_op[], p_wait boolean) returns text[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_events  text[] := array(select distinct o.event from unnest(p_ops) o
                            where o.op in ('emit', 'await') and o.status is null order by 1);
  v_event   text;
  v_missing text[] := '{}';
  v_locked  text[] := '{}';
begin
  foreach v_event in array v_events loop
    if not exists (select from absurd.event e where e.queue_name = p_queue_name and e.event_name = v_event) then
      v_missing := v_missing || v_event;
    end if;
  end loop;
  if cardinality(v_missing) > 0 then
    -- only what is missing: on conflict would wait for whoever emits an event that is there
    insert into absurd.event (queue_name, event_name)
    select p_queue_name, i.name from unnest(v_missing) i(name) order by i.name
    on conflict do nothing;
  end if;
  foreach v_event in array v_events loop
    if p_wait then
      perform absurd._lock_event(p_queue_name, v_event, true);
    end if;
    perform from absurd.event e where e.queue_name = p_queue_name and e.event_name = v_event for no key update skip locked;
    if found then
      v_locked := v_locked || v_event;
    end if;
  end loop;
  return v_locked;
end
$$;
