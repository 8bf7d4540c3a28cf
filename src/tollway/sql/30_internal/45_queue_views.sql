-- The relations that people and tools know from absurd: t_ r_ c_ e_ w_ and the queue's name. Read-only views; the only
-- dynamic SQL of the engine, off every hot path.
create or replace function absurd._refuse_view_write() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% on absurd."%" is refused: it is a view', tg_op, tg_table_name
    using errcode = 'TW103', hint = case left(tg_table_name, 1)
      when 't' then 'Use absurd.spawn_task, cancel_task, retry_task or cleanup_tasks.'
      when 'r' then 'Use absurd.claim_task, complete_run, fail_run, schedule_run or extend_claim.'
      when 'c' then 'Use absurd.set_task_checkpoint_state.'
      when 'e' then 'Use absurd.emit_event or cleanup_events.'
      else 'Use absurd.await_event.' end;
end
$$;

create or replace function absurd._create_queue_views(p_queue_name text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_letter text;
  v_view   text;
begin
  foreach v_letter in array array['t', 'r', 'c', 'e', 'w'] loop
    v_view := v_letter || '_' || p_queue_name;
    execute format('create or replace view absurd.%I as %s', v_view, format(absurd._queue_view_body(v_letter), p_queue_name));
    execute format('create or replace trigger refuse_write before insert or update or delete on absurd.%I
                    for each statement execute function absurd._refuse_view_write()', v_view);
    -- a statement trigger of a view fires only beside a row trigger
    execute format('create or replace trigger refuse_write_row instead of insert or update or delete on absurd.%I
                    for each row execute function absurd._refuse_view_write()', v_view);
    execute format('grant select on absurd.%I to tollway_reader, tollway_operator', v_view);
  end loop;
end
$$;

-- volatile, so that each call looks with a new snapshot: what another call made while this one waited is seen
create or replace function absurd._lacks_views(p_queue_name text) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select count(*) from pg_class c
          where c.relnamespace = 'absurd'::regnamespace and c.relkind = 'v'
            and c.relname = any (array(select l || '_' || p_queue_name from unnest('{t,r,c,e,w}'::text[]) l))) < 5;
end
$$;

create or replace function absurd._drop_queue_views(p_queue_name text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_letter text;
begin
  foreach v_letter in array array['w', 'e', 'c', 'r', 't'] loop
    execute format('drop view if exists absurd.%I', v_letter || '_' || p_queue_name);
  end loop;
end
$$;

create or replace function absurd._queue_view_body(p_letter text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case p_letter
    when 't' then 'select task_id, task_name, params, headers, retry_strategy, max_attempts, cancellation, enqueue_at,
        first_started_at, state, attempt as attempts, absurd.run_id_of(task_id, attempt) as last_attempt_run,
        result as completed_payload, case when state = ''cancelled'' then ended_at end as cancelled_at, idempotency_key
      from absurd.task where queue_name = %L'
    when 'r' then 'select absurd.run_id_of(task_id, attempt) as run_id, task_id, attempt, state, claimed_by, claim_expires_at,
        available_at, wake_event, event_payload, started_at, null::timestamptz as completed_at, null::timestamptz as failed_at,
        null::jsonb as result, null::jsonb as failure_reason, attempt_at as created_at
      from absurd.task where queue_name = %1$L and state in (''pending'', ''running'', ''sleeping'')
      union all
      select run_id, task_id, attempt, state, claimed_by, claim_expires_at, available_at, null, null, started_at,
        case when state = ''completed'' then ended_at end, case when state = ''failed'' then ended_at end, result,
        case when state = ''failed'' then failure_reason end, created_at
      from absurd.run where queue_name = %1$L'
    when 'c' then 'select task_id, checkpoint_name, state, status, absurd.run_id_of(task_id, attempt) as owner_run_id, updated_at
      from absurd.checkpoint where queue_name = %L'
    when 'e' then 'select event_name, payload, coalesce(emitted_at, ''epoch''::timestamptz) as emitted_at
      from absurd.event where queue_name = %L'
    else 'select task_id, absurd.run_id_of(task_id, attempt) as run_id, step_name, event_name, timeout_at, created_at
      from absurd.wait where queue_name = %L and event_name is not null' end
$$;
