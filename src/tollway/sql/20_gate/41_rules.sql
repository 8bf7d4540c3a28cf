-- What the first half of the gate asks: is it a move, which event is it, and when does a cancellation rule apply next?

-- A write that moves nothing (a heartbeat, an extension) changes nothing that belongs to a move.
create or replace function absurd._gate_unmoved(p_old absurd.task, p_new absurd.task) returns absurd.task
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_new.attempt <> p_old.attempt or p_new.claim_epoch <> p_old.claim_epoch or p_new.claimed_by is distinct from p_old.claimed_by
     or p_new.result is distinct from p_old.result or p_new.error is distinct from p_old.error
     or p_new.ended_at is distinct from p_old.ended_at then
    raise exception 'task %: attempt, owner, epoch, result and error change only with a move', p_old.task_id
      using errcode = 'TW101', hint = 'Change a task through the functions of schema absurd.';
  end if;
  p_new.moved := false;
  p_new.seq := p_old.seq;
  p_new.last_state := p_old.last_state;
  p_new.last_event := p_old.last_event;
  p_new.move_detail := p_old.move_detail;
  p_new.last_worker := p_old.last_worker;
  p_new.ended_attempt := p_old.ended_attempt;
  p_new.ended_lease := p_old.ended_lease;
  p_new.ended_created_at := p_old.ended_created_at;
  p_new.ended_started_at := p_old.ended_started_at;
  p_new.log_hash := p_old.log_hash;
  return p_new;
end
$$;

-- The event of a move: the listed one that it names, or the only one there is for (from, to), if it names none.
create or replace function absurd._event_of(p_old absurd.task, p_new absurd.task) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_events text[] := array(select x.event from absurd.transition x where x.from_state = p_old.state and x.to_state = p_new.state order by 1);
  v_event  text := coalesce(p_new.move_event, case when cardinality(v_events) = 1 then v_events[1] end);
begin
  if (v_event = any (v_events)) is not true then
    raise exception 'run % cannot go from % to %', absurd.run_id_of(p_old.task_id, p_old.attempt), p_old.state,
        concat_ws(' by ', p_new.state, p_new.move_event)
      using errcode = 'TW101',
            hint = case when v_events = '{}' then 'Not a move of absurd.transition; a completed run is final: spawn a new task.'
                        else format('Name the event in move_event: %s.', array_to_string(v_events, ', ')) end;
  end if;
  if p_new.attempt <> p_old.attempt + (v_event in ('run.retried', 'task.retried'))::integer
     or p_new.claim_epoch <> p_old.claim_epoch + (v_event = 'run.claimed')::integer then
    raise exception 'task %: % must leave attempt and claim epoch as the move says', p_old.task_id, v_event
      using errcode = 'TW101', hint = 'Only a retry raises the attempt, only a claim raises the epoch, each by one.';
  end if;
  return v_event;
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
