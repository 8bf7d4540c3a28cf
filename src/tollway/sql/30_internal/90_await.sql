-- _wait_outcome: what a wait comes to, for await_event and worker_sync alike. An answer once given stays; what has happened comes
-- before a time-out; who resumes from this very wait without a payload does so because its time was over.
create or replace function absurd._wait_outcome(
  p_saved text, p_happened boolean, p_resumed_from text, p_payload jsonb, p_awaited text
) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when p_saved = 'timed_out' then 'timed_out'
    when p_saved is not null or p_happened then 'happened'
    when p_resumed_from = p_awaited and p_payload is null then 'timed_out'
    else 'suspended' end;
end
$$;

-- _await: the decision of await_event for a locked running task and a locked event.
create or replace function absurd._await(
  p_task absurd.task, p_step_name text, p_event absurd.event, p_timeout double precision, p_keep_time_out boolean,
  out outcome text, out payload jsonb
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now   timestamptz := absurd.current_time();
  v_until timestamptz := v_now + p_timeout * interval '1 second';
begin
  outcome := absurd._wait_outcome(
    null, p_event.emitted_at is not null, p_task.wake_event, p_task.event_payload, p_event.event_name);
  if outcome = 'happened' then
    outcome := 'event';
    payload := p_event.payload;
    insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch, updated_at)
    values (p_task.task_id, p_step_name, p_task.queue_name, payload, p_task.attempt, p_task.claim_epoch, v_now)
    on conflict do nothing;
    update absurd.task t set event_payload = null, wake_event = null
    where t.task_id = p_task.task_id and (t.event_payload is not null or t.wake_event is not null);
    return;
  end if;
  if outcome = 'timed_out' then
    if p_keep_time_out then
      insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, status, attempt, claim_epoch, updated_at)
      values (p_task.task_id, p_step_name, p_task.queue_name, 'timed_out', p_task.attempt, p_task.claim_epoch, v_now)
      on conflict do nothing;
    end if;
    update absurd.task t set wake_event = null where t.task_id = p_task.task_id;
    return;
  end if;

  insert into absurd.wait (task_id, step_name, queue_name, event_name, timeout_at, attempt)
  values (p_task.task_id, p_step_name, p_task.queue_name, p_event.event_name, v_until, p_task.attempt);
  update absurd.task t
  set state = 'sleeping', move_event = 'run.suspended', available_at = coalesce(v_until, 'infinity'),
      wake_event = p_event.event_name, event_payload = null,
      move_detail = jsonb_build_object('event', p_event.event_name, 'timeout_at', v_until)
  where t.task_id = p_task.task_id;
end
$$;
