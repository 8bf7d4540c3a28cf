-- _lock_event: an event's row, locked; made first if it is not there. For an emission nobody else may hold it; awaiters share it.
-- A clean-up may take the row between the two statements: then it is made again.
create or replace function absurd._lock_event(p_queue_name text, p_event_name text, p_emission boolean) returns absurd.event
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_event absurd.event;
begin
  loop
    insert into absurd.event (queue_name, event_name) values (p_queue_name, p_event_name) on conflict do nothing;
    if p_emission then
      select * into v_event from absurd.event e where e.queue_name = p_queue_name and e.event_name = p_event_name for no key update;
    else
      select * into v_event from absurd.event e where e.queue_name = p_queue_name and e.event_name = p_event_name for share;
    end if;
    if found then
      return v_event;
    end if;
  end loop;
end
$$;
