-- The gate, first half: BEFORE each row. Is the move allowed? It also fills what every move fills the same way.

create or replace function absurd._gate_check_insert() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- the states as absurd.transition has them: to ask it for each row would be a sixth of a start in bulk
  if new.claim_epoch <> 0 or new.attempt <> 1 or new.state not in ('pending', 'sleeping') then
    raise exception 'task % cannot begin as %', new.task_id, new.state
      using errcode = 'TW101', hint = 'A task begins as pending or sleeping: use absurd.spawn_task.';
  end if;
  if right(new.task_id::text, 6) <> '000000' then
    raise exception 'task id % has no room for attempts in its low 24 bits', new.task_id
      using errcode = 'TW101', hint = 'Task ids are made by absurd.spawn_task.';
  end if;
  if new.handles_task_id is null and new.idempotency_key like 'on\_move:%' then
    raise exception 'idempotency key "%" begins with on_move:', new.idempotency_key
      using errcode = 'TW301', hint = 'The keys of tasks that answer a move begin so, and nobody else''s: choose another.';
  end if;
  if new.parent_task_id is not null then
    new.handles_task_id := (select p.handles_task_id from absurd.task p where p.task_id = new.parent_task_id);
  end if;
  if new.seq = 1 and new.moved and new.last_state = 'new' and new.last_event = 'task.spawned'
     and num_nonnulls(new.move_event, new.last_worker, new.ended_attempt, new.ended_lease, new.ended_created_at,
                      new.ended_started_at, new.log_hash) = 0 then
    return new;   -- as spawn_task makes it: nothing remains to be filled
  end if;
  new.seq := 1;
  new.moved := true;
  new.last_state := 'new';
  new.last_event := 'task.spawned';
  new.move_event := null;
  new.last_worker := null;
  new.ended_attempt := null;
  new.ended_lease := null;
  new.ended_created_at := null;
  new.ended_started_at := null;
  new.log_hash := null;
  return new;
end
$$;

create or replace function absurd._gate_check_update() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_event text;
begin
  if new.task_id <> old.task_id or new.queue_name <> old.queue_name or new.task_name <> old.task_name
     or new.parent_task_id is distinct from old.parent_task_id or new.workflow_run_id <> old.workflow_run_id
     or new.handles_task_id is distinct from old.handles_task_id then
    raise exception 'task %: id, queue, name, parent and workflow never change', old.task_id
      using errcode = 'TW101', hint = 'Change a task through the functions of schema absurd.';
  end if;

  if new.state = old.state and new.move_event is null then
    return absurd._gate_unmoved(old, new);
  end if;
  v_event := new.move_event;
  -- what nearly all moves are, as absurd.transition has them: to ask it for each row would be a twentieth of a task
  if (v_event = 'run.completed' and old.state = 'running' and new.state = 'completed'
      and new.attempt = old.attempt and new.claim_epoch = old.claim_epoch
      or v_event = 'run.claimed' and old.state in ('pending', 'sleeping') and new.state = 'running'
      and new.attempt = old.attempt and new.claim_epoch = old.claim_epoch + 1) is not true then
    v_event := absurd._event_of(old, new);
  end if;
  new.moved := true;
  new.seq := old.seq + 1;
  new.last_state := old.state;
  new.last_event := v_event;
  new.move_event := null;
  new.log_hash := old.log_hash;
  new.last_worker := old.claimed_by;

  if num_nonnulls(new.ended_attempt, new.ended_lease, new.ended_created_at, new.ended_started_at) > 0 then
    new.ended_attempt := null;
    new.ended_lease := null;
    new.ended_created_at := null;
    new.ended_started_at := null;
  end if;
  if new.state = 'running' then
    if old.first_started_at is null and new.cancellation is not null then
      new.cancel_at := absurd._cancel_at(new);
    end if;
    return new;
  end if;
  -- To any other state: no owner, no lease; an ended attempt is kept aside for absurd.run; a new one starts with fresh columns.
  new.claimed_by := null;
  new.claim_expires_at := null;
  new.claimed_at := null;
  new.heartbeat_at := null;
  new.claim_instance := null;
  new.claim_call := null;
  if v_event in ('run.completed', 'run.failed', 'run.retried', 'task.cancelled') then
    new.ended_attempt := old.attempt;
    new.ended_lease := old.claim_expires_at;
    new.ended_created_at := old.attempt_at;
    new.ended_started_at := old.started_at;
  end if;
  new.ended_at := case when new.state in ('completed', 'failed', 'cancelled') then absurd.current_time() end;
  if new.state = 'completed' then
    new.error := null;
  elsif v_event in ('run.retried', 'task.retried') then
    new.attempt_at := absurd.current_time();
    new.started_at := null;
    new.event_payload := null;
    if v_event = 'task.retried' then
      -- an operator's retry starts the clock of max_duration anew, and the delay rule no longer applies
      -- (a retry after a crash keeps wake_event: a wait that timed out is not to start its time-out again)
      new.first_started_at := null;
      new.wake_event := null;
      new.result := null;
      new.error := null;
      new.cancel_at := new.deadline;
    end if;
  end if;
  return new;
end
$$;
