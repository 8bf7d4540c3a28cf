-- The gate: every move of every run, whoever makes it, is recorded in the same transaction.

create function engine.record_move() returns trigger
language plpgsql as $$
declare
  v_task  uuid := coalesce(new.task_id, old.task_id);
  v_run   uuid := coalesce(new.run_id, old.run_id);
  v_state text := coalesce(new.state, 'purged');
begin
  insert into app.workflow_run as w (task_id, status) values (v_task, v_state)
  on conflict (task_id) do update
     set status       = coalesce(new.state, w.status),
         result       = coalesce(new.result, w.result),
         error        = coalesce(new.error, w.error),
         completed_at = case when new.state in ('completed', 'failed', 'cancelled') then now()
                             when new.state is null then w.completed_at end,
         purged_at    = case when tg_op = 'DELETE' then now() end;
  insert into app.event_log (task_id, run_id, state) values (v_task, v_run, v_state);
  insert into app.telemetry (name) values ('run.' || v_state);
  return null;
end;
$$;

create or replace function engine.watch_queue(p_queue text) returns void
language plpgsql as $$
begin
  execute format('drop trigger if exists record_end on engine.%I', 'r_' || p_queue);
  execute format(
    'create trigger record_move after insert or update or delete on engine.%I
       for each row execute function engine.record_move()', 'r_' || p_queue);
  execute format('alter table engine.%I enable always trigger record_move', 'r_' || p_queue);
end;
$$;

drop function engine.record_end() cascade;

select engine.watch_queue(name) from engine.queue;
