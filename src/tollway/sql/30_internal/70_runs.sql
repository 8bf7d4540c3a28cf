-- _run: the locked task of a run, or nothing when the task is not there; absurd's errors for a run that is over.
create or replace function absurd._lock_run(p_queue_name text, p_run_id uuid) returns absurd.task
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task absurd.task;
begin
  select * into v_task from absurd.task t
  where t.task_id = absurd.task_id_of(p_run_id) and t.queue_name = p_queue_name
  for no key update;
  if not found then
    perform absurd._queue(p_queue_name, 'r');
    return null;
  end if;
  return v_task;
end
$$;

-- _run_state: the state of one run of a locked task: the live attempt's is the task's; an earlier one has ended. Null: no such run.
create or replace function absurd._run_state(p_task absurd.task, p_run_id uuid) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_run_id = absurd.run_id_of(p_task.task_id, p_task.attempt) then
    return p_task.state;
  end if;
  return (select r.state from absurd.run r where r.task_id = p_task.task_id and r.run_id = p_run_id);
end
$$;

-- _check_epoch: with an epoch, only the claim that holds the run may go on. A claim that failed the run itself is told so.
create or replace function absurd._check_epoch(p_task absurd.task, p_run_id uuid, p_epoch bigint) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_epoch is not null and (p_task.claim_epoch <> p_epoch or p_task.state <> 'running'
     or p_run_id <> absurd.run_id_of(p_task.task_id, p_task.attempt)) then
    if p_task.claim_epoch = p_epoch and absurd._run_state(p_task, p_run_id) = 'failed' then
      perform absurd._check_run_not_over(p_task.queue_name, p_run_id, 'failed');
    end if;
    perform absurd._raise_lease_lost(p_task, p_epoch);
  end if;
end
$$;

-- _check_run_not_over: AB001 and AB002, which SDKs turn into their own errors. Not immutable: the planner would call it
-- before the check of the epoch that stands before it.
create or replace function absurd._check_run_not_over(p_queue_name text, p_run_id uuid, p_state text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_state = 'cancelled' then
    raise exception 'Task has been cancelled' using errcode = 'AB001', hint = 'Stop the work; the task is over.';
  elsif p_state = 'failed' then
    raise exception 'Run "%" has already failed in queue "%"', p_run_id, p_queue_name
      using errcode = 'AB002', hint = 'Stop the work; a later run may be on its way.';
  end if;
end
$$;

-- _raise_not_running: absurd's plain error for a run in a state that the call does not accept.
create or replace function absurd._raise_not_running(p_queue_name text, p_run_id uuid, p_state text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'Run "%" is not currently running in queue "%"', p_run_id, p_queue_name
    using errcode = 'P0001', hint = format('It is %s.', coalesce(p_state, 'not there'));
end
$$;

-- _fail_outcome: what a failure does to a task: retry now or later, cancel beyond max_duration, or fail for good.
create or replace function absurd._fail_outcome(
  p_task absurd.task, p_reason jsonb, p_retry_at timestamptz, p_retryable boolean, p_now timestamptz,
  out state text, out move_event text, out attempt integer, out available_at timestamptz, out error jsonb, out detail jsonb
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_next timestamptz;
  v_limit timestamptz := p_task.first_started_at + absurd._rule_seconds(p_task.cancellation -> 'max_duration');
begin
  attempt := p_task.attempt;
  available_at := p_task.available_at;
  error := p_reason;
  detail := jsonb_build_object('reason', p_reason);
  if not p_retryable or p_task.attempt >= p_task.max_attempts or p_task.attempt >= 16777215
     or (p_retry_at is null and absurd._retry_problem(p_task.retry_strategy) is not null) then
    state := 'failed';
    move_event := 'run.failed';
    return;
  end if;
  v_next := greatest(p_now, coalesce(
    p_retry_at, p_now + absurd.retry_delay_seconds(p_task.retry_strategy, p_task.attempt) * interval '1 second'));
  if v_next >= v_limit then
    state := 'cancelled';
    move_event := 'task.cancelled';
    error := absurd._cancel_reason('max_duration', null);
    detail := jsonb_build_object('reason', p_reason, 'rule', 'max_duration');
    return;
  end if;
  state := case when v_next > p_now then 'sleeping' else 'pending' end;
  move_event := 'run.retried';
  attempt := p_task.attempt + 1;
  available_at := v_next;
  detail := jsonb_build_object('reason', p_reason, 'retry_at', v_next);
end
$$;
