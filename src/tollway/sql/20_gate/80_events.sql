-- An event becomes emitted once. That, by whatever statement, wakes everyone who waits for it and is logged with their number.

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
as $$
declare
  v_context text;
  v_event   record;
  v_woken   integer;
begin
  for v_event in
    select n.queue_name, n.event_name from new_rows n
    where n.emitted_at is not null
    order by n.queue_name, n.event_name
  loop
    v_woken := absurd._wake(array(
      select w.task_id from absurd.wait w
      where w.queue_name = v_event.queue_name and w.event_name = v_event.event_name
      order by w.task_id));
    get diagnostics v_context = pg_context;
    insert into absurd.absurd_event_log (
      queue_name, event, login_role, set_role, application_name, via, detail, incarnation, xid, at)
    select v_event.queue_name, 'event.emitted', a.login_role, a.set_role, a.application_name, a.via,
           jsonb_build_object('event', v_event.event_name, 'woken', v_woken), a.incarnation, a.xid, a.at
    from absurd._actor(v_context) a;
  end loop;
  return null;
end
$$;
