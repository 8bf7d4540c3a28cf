-- An event becomes emitted once. That, by whatever statement, wakes everyone who waits for it and is logged with their number.

-- Judged here, where drop_queue can no longer come between: an emission or a wait may have waited for its lock.
create or replace function absurd._event_check_insert() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from absurd.queues q where q.queue_name = new.queue_name and not q.dropping) then
    raise exception 'relation "absurd.e_%" does not exist', new.queue_name
      using errcode = '42P01', hint = format('Queue "%s" does not exist; create it with absurd.create_queue.', new.queue_name);
  end if;
  return new;
end
$$;

create or replace function absurd._event_check() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if old.emitted_at is not null or new.queue_name <> old.queue_name or new.event_name <> old.event_name then
    raise exception 'event % of queue % was emitted at % and stays as it is', old.event_name, old.queue_name, old.emitted_at
      using errcode = 'TW101', hint = 'The first emission wins; emit another event.';
  end if;
  return new;
end
$$;

create or replace function absurd._event_project() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan   -- as _gate_project
as $$
declare
  v_context text;
  v_tasks   uuid[];
  v_events  text[];
  v_woken   uuid[];
begin
  -- who waits, before waking deletes the waits
  select array_agg(w.task_id), array_agg(w.event_name) into v_tasks, v_events
  from new_rows n
  join absurd.wait w on w.queue_name = n.queue_name and w.event_name = n.event_name
  where n.emitted_at is not null;
  if v_tasks is not null then
    v_woken := absurd._wake(array(select distinct t.id from unnest(v_tasks) t(id) order by 1));
  end if;
  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (
    queue_name, event, login_role, set_role, application_name, via, detail, incarnation, xid, at)
  select n.queue_name, 'event.emitted', a.login_role, a.set_role, a.application_name, a.via,
         jsonb_build_object('event', n.event_name, 'woken', (
           select count(*) from unnest(v_tasks, v_events) w(task_id, event_name)
           where w.event_name = n.event_name and w.task_id = any (v_woken))),
         a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a, new_rows n
  where n.emitted_at is not null
  order by n.queue_name, n.event_name;
  return null;
end
$$;
