-- What every move to a state other than running does to the row: no owner, no lease; an ended attempt is kept aside
-- for absurd.run; a new attempt starts with fresh columns; a terminal task has its time.
create or replace function absurd._gate_leave_running(p_old absurd.task, p_new absurd.task) returns absurd.task
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_new absurd.task := p_new;
  v_now timestamptz := absurd.current_time();
begin
  v_new.claimed_by := null;
  v_new.claim_expires_at := null;
  v_new.claimed_at := null;
  v_new.heartbeat_at := null;
  v_new.claim_instance := null;
  v_new.claim_call := null;

  v_new.ended_attempt := null;
  v_new.ended_lease := null;
  v_new.ended_created_at := null;
  v_new.ended_started_at := null;
  if v_new.last_event in ('run.completed', 'run.failed', 'run.retried', 'task.cancelled') then
    v_new.ended_attempt := p_old.attempt;
    v_new.ended_lease := p_old.claim_expires_at;
    v_new.ended_created_at := p_old.attempt_at;
    v_new.ended_started_at := p_old.started_at;
  end if;

  if v_new.state in ('completed', 'failed', 'cancelled') then
    v_new.ended_at := v_now;
    if v_new.state = 'completed' then
      v_new.error := null;
    end if;
  else
    v_new.ended_at := null;
  end if;
  if v_new.last_event in ('run.retried', 'task.retried') then
    v_new.attempt_at := v_now;
    v_new.started_at := null;
    v_new.event_payload := null;
  end if;
  if v_new.last_event = 'task.retried' then
    -- an operator's retry starts the clock of max_duration anew, and the delay rule no longer applies
    -- (a retry after a crash keeps wake_event: a wait that timed out is not to start its time-out again)
    v_new.first_started_at := null;
    v_new.wake_event := null;
    v_new.result := null;
    v_new.error := null;
    v_new.cancel_at := v_new.deadline;
  end if;
  return v_new;
end
$$;

-- The event of a move that does not name a listed one: the only one there is for (from, to), if none was named.
create or replace function absurd._only_event(p_old absurd.task, p_new absurd.task) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_events text[] := array(select x.event from absurd.transition x where x.from_state = p_old.state and x.to_state = p_new.state order by 1);
begin
  if p_new.move_event is null and cardinality(v_events) = 1 then
    return v_events[1];
  end if;
  raise exception 'run % cannot go from % to %', absurd.run_id_of(p_old.task_id, p_old.attempt), p_old.state,
      concat_ws(' by ', p_new.state, p_new.move_event)
    using errcode = 'TW101',
          hint = case when v_events = '{}' then 'Not a move of absurd.transition; a completed run is final: spawn a new task.'
                      else format('Name the event in move_event: %s.', array_to_string(v_events, ', ')) end;
end
$$;

-- A rule's whole seconds as an interval. What spawn_task would have refused is no rule: it must not stop a queue's claims.
create or replace function absurd._rule_seconds(p_value jsonb) returns interval
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_value #>> '{}' ~ '^\s*[+-]?\d{1,10}(\.0*)?\s*$' then (p_value #>> '{}')::double precision * interval '1 second' end
$$;

-- The next moment a cancellation rule may apply: max_delay until the first start, max_duration from then on, the deadline always.
create or replace function absurd._cancel_at(p_task absurd.task) returns timestamptz
language sql stable
as $$
  select least(
    p_task.deadline,
    case when p_task.first_started_at is null
      then p_task.enqueue_at + absurd._rule_seconds(p_task.cancellation -> 'max_delay')
      else p_task.first_started_at + absurd._rule_seconds(p_task.cancellation -> 'max_duration')
    end)
$$;
