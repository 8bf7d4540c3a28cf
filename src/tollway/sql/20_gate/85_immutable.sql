-- Records that are never changed: checkpoints, ended attempts, the log. And workflow_run says what its task says.

create or replace function absurd._refuse_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% on absurd.% is refused', tg_op, tg_table_name
    using errcode = case when tg_op in ('DELETE', 'TRUNCATE') then 'TW104' else 'TW102' end,
          hint = case left(tg_table_name, 16)   -- a partition of the log begins with its name
            when 'absurd_event_log' then 'The log is only appended to, by the gate; old partitions leave through absurd.drop_log_before.'
            when 'checkpoint' then 'A checkpoint never changes; rows leave with their task, through absurd.cleanup_tasks.'
            when 'run' then 'An ended attempt never changes; rows leave with their task, through absurd.cleanup_tasks.'
            when 'workflow_run' then 'A workflow_run leaves after its task, through absurd.cleanup_workflow_runs.'
            else 'Rows leave only through absurd.cleanup_tasks, absurd.cleanup_events and absurd.drop_queue.' end;
end
$$;

create or replace function absurd._refuse_orphaning() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from old_rows o join absurd.task t on t.task_id = o.task_id) then
    raise exception 'DELETE on absurd.% is refused while the task is there', tg_table_name
      using errcode = 'TW104', hint = 'These rows leave with their task, through absurd.cleanup_tasks.';
  end if;
  return null;
end
$$;

create or replace function absurd._workflow_run_check() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  -- the task is asked in an expression, which has one column: what a join is made of would have all of the task's
  select n.workflow_run_id into v_id
  from new_rows n
  where coalesce((
    select n.purged_at is not null
           or (n.status, n.completed_at, n.result, n.attempts, n.absurd_run_id, n.error)
              is distinct from (t.state, t.ended_at, t.result, t.attempt, absurd.run_id_of(t.task_id, t.attempt),
                                case when t.state in ('failed', 'cancelled') then t.error end)
    from absurd.task t where t.task_id = n.workflow_run_id), n.purged_at is null)
  limit 1;
  if v_id is not null then
    raise exception 'workflow_run % must say what its task says', v_id
      using errcode = 'TW102', hint = 'It is written by the gate: change the task through complete_run, fail_run, cancel_task ...';
  end if;
  return null;
end
$$;
