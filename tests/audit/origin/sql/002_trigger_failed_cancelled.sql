-- The first mend: a trigger that records failed and cancelled runs. It helps where it was aimed, and nowhere else:
-- every other state passes by, and telemetry was left to Python.

create function engine.record_end() returns trigger
language plpgsql as $$
begin
  update app.workflow_run
     set status = new.state, error = new.error, completed_at = now()
   where task_id = new.task_id;
  insert into app.event_log (task_id, run_id, state) values (new.task_id, new.run_id, new.state);
  return null;
end;
$$;

create function engine.watch_queue(p_queue text) returns void
language plpgsql as $$
begin
  execute format(
    'create trigger record_end after update on engine.%I
       for each row when (new.state in (''failed'', ''cancelled''))
       execute function engine.record_end()', 'r_' || p_queue);
end;
$$;

create or replace function engine.create_queue(p_queue text) returns void
language plpgsql as $$
begin
  insert into engine.queue (name) values (p_queue);
  perform engine.create_tables(p_queue);
  perform engine.watch_queue(p_queue);
end;
$$;

select engine.watch_queue(name) from engine.queue;
