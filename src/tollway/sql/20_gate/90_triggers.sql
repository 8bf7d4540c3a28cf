-- The triggers themselves, ENABLE ALWAYS: an ordinary one is silent under session_replication_role = replica.
-- Never "update of state": that misses what a BEFORE trigger changes. The row check fires last (zzz_).
create or replace trigger zzz_gate_check_insert before insert on absurd.task
  for each row execute function absurd._gate_check_insert();
create or replace trigger zzz_gate_check_update before update on absurd.task
  for each row execute function absurd._gate_check_update();
create or replace trigger zzz_gate_check_delete before delete on absurd.task
  for each row execute function absurd._gate_check_delete();
create or replace trigger zzz_gate_project_insert after insert on absurd.task
  referencing new table as new_rows for each statement execute function absurd._gate_project();
create or replace trigger zzz_gate_project_update after update on absurd.task
  referencing new table as new_rows for each statement execute function absurd._gate_project();
create or replace trigger zzz_gate_project_delete after delete on absurd.task
  referencing old table as old_rows for each statement execute function absurd._gate_project_delete();
create or replace trigger zzz_no_truncate before truncate on absurd.task
  for each statement execute function absurd._refuse_change();

create or replace trigger zzz_event_check_insert before insert on absurd.event
  for each row execute function absurd._event_check_insert();
create or replace trigger zzz_event_check before update on absurd.event
  for each row execute function absurd._event_check();
create or replace trigger zzz_event_project_insert after insert on absurd.event
  referencing new table as new_rows for each statement execute function absurd._event_project();
create or replace trigger zzz_event_project_update after update on absurd.event
  referencing new table as new_rows for each statement execute function absurd._event_project();
create or replace trigger zzz_no_truncate before truncate on absurd.event
  for each statement execute function absurd._refuse_change();

create or replace trigger zzz_no_update before update on absurd.checkpoint
  for each statement execute function absurd._refuse_change();
create or replace trigger zzz_no_orphaning after delete on absurd.checkpoint
  referencing old table as old_rows for each statement execute function absurd._refuse_orphaning();
create or replace trigger zzz_no_truncate before truncate on absurd.checkpoint
  for each statement execute function absurd._refuse_change();

create or replace trigger zzz_no_update before update on absurd.run
  for each statement execute function absurd._refuse_change();
create or replace trigger zzz_no_orphaning after delete on absurd.run
  referencing old table as old_rows for each statement execute function absurd._refuse_orphaning();
create or replace trigger zzz_no_truncate before truncate on absurd.run
  for each statement execute function absurd._refuse_change();

create or replace trigger zzz_no_change before update or delete on absurd.absurd_event_log
  for each statement execute function absurd._refuse_change();
create or replace trigger zzz_no_truncate before truncate on absurd.absurd_event_log
  for each statement execute function absurd._refuse_change();

create or replace trigger zzz_agrees_insert after insert on absurd.workflow_run
  referencing new table as new_rows for each statement execute function absurd._workflow_run_check();
create or replace trigger zzz_agrees_update after update on absurd.workflow_run
  referencing new table as new_rows for each statement execute function absurd._workflow_run_check();
create or replace trigger zzz_agrees_delete after delete on absurd.workflow_run
  referencing old table as old_rows for each statement execute function absurd._workflow_run_project_delete();
create or replace trigger zzz_no_truncate before truncate on absurd.workflow_run
  for each statement execute function absurd._refuse_change();

create or replace trigger zzz_no_truncate before truncate on absurd.wait
  for each statement execute function absurd._refuse_change();

do $$
declare
  v_trigger record;
begin
  for v_trigger in
    select c.relname, g.tgname from pg_catalog.pg_trigger g
    join pg_catalog.pg_class c on c.oid = g.tgrelid
    where c.relnamespace = 'absurd'::regnamespace and g.tgname like 'zzz\_%'
      and c.relname in ('task', 'run', 'checkpoint', 'event', 'wait', 'workflow_run', 'absurd_event_log')
  loop
    execute format('alter table absurd.%I enable always trigger %I', v_trigger.relname, v_trigger.tgname);
  end loop;
  perform absurd._guard_log_partition(p.partition_name)
  from absurd.log_partition p where to_regclass(format('absurd.%I', p.partition_name)) is not null;
end
$$;
