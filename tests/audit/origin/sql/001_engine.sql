-- A small engine whose state moves inside SQL functions.
--
-- Each queue has its own tables: engine.t_<queue> (tasks), r_<queue> (runs, the rows that have the state),
-- e_<queue> (events) and w_<queue> (waits). app.* belongs to the application: nothing in this file writes it.

create schema engine;
create schema app;

create table engine.queue (
  name text primary key
);

create table app.workflow_run (
  task_id      uuid primary key,
  status       text not null default 'pending',
  result       jsonb,
  error        text,
  completed_at timestamptz,
  purged_at    timestamptz
);

create table app.event_log (
  id      bigint generated always as identity primary key,
  task_id uuid not null,
  run_id  uuid not null,
  state   text not null,
  at      timestamptz not null default now()
);

create table app.telemetry (
  name text not null,
  at   timestamptz not null default now()
);

create function engine.create_tables(p_queue text) returns void
language plpgsql as $$
begin
  execute format(
    'create table engine.%I (
       task_id      uuid primary key,
       name         text not null,
       params       jsonb not null,
       max_attempts integer not null
     )', 't_' || p_queue);
  execute format(
    'create table engine.%I (
       run_id           uuid primary key default gen_random_uuid(),
       task_id          uuid not null references engine.%I (task_id),
       attempt          integer not null,
       state            text not null default ''pending''
         check (state in (''pending'', ''running'', ''sleeping'', ''completed'', ''failed'', ''cancelled'')),
       available_at     timestamptz not null default now(),
       claim_expires_at timestamptz,
       result           jsonb,
       error            text
     )', 'r_' || p_queue, 't_' || p_queue);
  execute format('create table engine.%I (name text primary key, payload jsonb)', 'e_' || p_queue);
  execute format('create table engine.%I (run_id uuid primary key, event text not null)', 'w_' || p_queue);
end;
$$;

create function engine.create_queue(p_queue text) returns void
language plpgsql as $$
begin
  insert into engine.queue (name) values (p_queue);
  perform engine.create_tables(p_queue);
end;
$$;

create function engine.spawn_task(p_queue text, p_name text, p_params jsonb, p_max_attempts integer default 1) returns uuid
language plpgsql as $$
declare
  v_task uuid := gen_random_uuid();
begin
  execute format('insert into engine.%I (task_id, name, params, max_attempts) values ($1, $2, $3, $4)', 't_' || p_queue)
    using v_task, p_name, p_params, p_max_attempts;
  execute format('insert into engine.%I (task_id, attempt) values ($1, 1)', 'r_' || p_queue)
    using v_task;
  return v_task;
end;
$$;

-- The trap: a worker that asks for work also buries the dead. No caller learns that fail_run ran.
create function engine.claim_task(p_queue text, p_lease interval)
returns table (run_id uuid, task_id uuid, attempt integer, params jsonb)
language plpgsql as $$
declare
  v_expired uuid;
begin
  for v_expired in execute format(
    'select run_id from engine.%I where state = ''running'' and claim_expires_at <= now() for update skip locked',
    'r_' || p_queue)
  loop
    perform engine.fail_run(p_queue, v_expired, 'lease expired');
  end loop;

  return query execute format(
    'update engine.%1$I r
        set state = ''running'', claim_expires_at = now() + $1
       from engine.%2$I t
      where t.task_id = r.task_id
        and r.run_id = (
          select run_id from engine.%1$I
           where state in (''pending'', ''sleeping'') and available_at <= now()
           order by available_at
           limit 1
             for update skip locked)
  returning r.run_id, r.task_id, r.attempt, t.params', 'r_' || p_queue, 't_' || p_queue)
    using p_lease;
end;
$$;

create function engine.complete_run(p_queue text, p_run uuid, p_result jsonb) returns void
language plpgsql as $$
declare
  v_runs text := 'r_' || p_queue;
begin
  execute format(
    'update engine.%I set state = ''completed'', result = $2, claim_expires_at = null where run_id = $1', v_runs)
    using p_run, p_result;
end;
$$;

create function engine.fail_run(p_queue text, p_run uuid, p_error text) returns void
language plpgsql as $$
declare
  v_task    uuid;
  v_attempt integer;
  v_max     integer;
begin
  execute format(
    'update engine.%I set state = ''failed'', error = $2, claim_expires_at = null where run_id = $1 returning task_id, attempt',
    'r_' || p_queue)
    into v_task, v_attempt
    using p_run, p_error;
  execute format('select max_attempts from engine.%I where task_id = $1', 't_' || p_queue) into v_max using v_task;
  if v_attempt < v_max then
    execute format('insert into engine.%I (task_id, attempt) values ($1, $2)', 'r_' || p_queue)
      using v_task, v_attempt + 1;
  end if;
end;
$$;

create function engine.schedule_run(p_queue text, p_run uuid, p_at timestamptz) returns void
language plpgsql as $$
begin
  execute format(
    'update engine.%I set state = ''sleeping'', available_at = $2, claim_expires_at = null where run_id = $1', 'r_' || p_queue)
    using p_run, p_at;
end;
$$;

create function engine.await_event(p_queue text, p_run uuid, p_event text) returns jsonb
language plpgsql as $$
declare
  v_payload jsonb;
begin
  execute format('select payload from engine.%I where name = $1', 'e_' || p_queue) into v_payload using p_event;
  if v_payload is not null then
    return v_payload;
  end if;
  execute format('insert into engine.%I (run_id, event) values ($1, $2) on conflict (run_id) do update set event = excluded.event',
                 'w_' || p_queue)
    using p_run, p_event;
  execute format(
    'update engine.%I set state = ''sleeping'', available_at = ''infinity'', claim_expires_at = null where run_id = $1',
    'r_' || p_queue)
    using p_run;
  return null;
end;
$$;

create function engine.emit_event(p_queue text, p_event text, p_payload jsonb) returns void
language plpgsql as $$
begin
  execute format('insert into engine.%I (name, payload) values ($1, $2) on conflict do nothing', 'e_' || p_queue)
    using p_event, p_payload;
  execute format(
    'with woken as (delete from engine.%I where event = $1 returning run_id)
     update engine.%I set state = ''pending'', available_at = now() where run_id in (select run_id from woken)',
    'w_' || p_queue, 'r_' || p_queue)
    using p_event;
end;
$$;

create function engine.cancel_task(p_queue text, p_task uuid) returns void
language plpgsql as $$
begin
  execute format(
    'update engine.%I set state = ''cancelled'', claim_expires_at = null
      where task_id = $1 and state in (''pending'', ''running'', ''sleeping'')', 'r_' || p_queue)
    using p_task;
end;
$$;

create function engine.cleanup(p_queue text, p_before timestamptz) returns bigint
language plpgsql as $$
declare
  v_gone bigint;
begin
  execute format(
    'delete from engine.%I where available_at < $1 and state in (''completed'', ''failed'', ''cancelled'')', 'r_' || p_queue)
    using p_before;
  get diagnostics v_gone = row_count;
  return v_gone;
end;
$$;
