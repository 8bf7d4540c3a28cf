-- worker_sync, second: lock, in the order that every function keeps: events by name, tasks by id. Nothing is waited for,
-- so one held row makes its own operations busy and no others; only a first emission not yet committed is.
create or replace function absurd._sync_lock(
  p_queue_name text, p_ops absurd.sync_op[], out tasks uuid[], out events text[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_events text[] := array(select distinct o.event from unnest(p_ops) o
                           where o.op in ('emit', 'await') and o.status is null order by 1);
  v_ids    uuid[];
begin
  if cardinality(v_events) > 0 then
    -- only what is missing: on conflict would wait for whoever emits an event that is there
    insert into absurd.event (queue_name, event_name)
    select p_queue_name, i.name from unnest(v_events) i(name)
    where not exists (select from absurd.event e where e.queue_name = p_queue_name and e.event_name = i.name)
    on conflict do nothing;
    events := array(
      select e.event_name from absurd.event e
      where e.queue_name = p_queue_name and e.event_name = any (v_events)
      order by e.event_name
      for no key update skip locked);
  end if;
  v_ids := array(select o.task_id from unnest(p_ops) o where o.status is null);
  if cardinality(v_events) > 0 then
    -- whoever an emission wakes
    v_ids := v_ids || array(
      select w.task_id from absurd.wait w
      where w.queue_name = p_queue_name and w.event_name = any (
        array(select o.event from unnest(p_ops) o where o.op = 'emit' and o.status is null)));
  end if;
  -- whose end is awaited: it must not end unseen between our look and our registration
  v_ids := v_ids || array(select o.awaited from unnest(p_ops) o where o.awaited is not null and o.status is null);
  tasks := array(
    select t.task_id from absurd.task t where t.task_id = any (v_ids) order by t.task_id for no key update skip locked);
end
$$;
