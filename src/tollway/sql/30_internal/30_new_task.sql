-- _new_task: a task's row from what a caller gave; every option is checked here and nowhere else.
create or replace function absurd._new_task(
  p_queue absurd.queues, p_task_name text, p_params jsonb, p_options jsonb, p_parent absurd.task, p_now timestamptz
) returns absurd.task
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_options jsonb := case when jsonb_typeof(p_options) = 'object' then p_options else '{}' end;
  v_id      uuid := absurd.task_id_of(absurd.portable_uuidv7());
  v_task    absurd.task;
begin
  if p_task_name is null or btrim(p_task_name) = '' or octet_length(p_task_name) > 255 or not absurd._is_small(p_params) then
    perform absurd._check_name('task_name', p_task_name), absurd._check_payload('params', p_params, p_queue.max_payload_bytes);
  end if;
  -- in one expression, in the order of the table's columns: fifty assignments would be most of a spawn
  v_task := row(
    v_id, p_queue.queue_name, p_task_name,
    'pending', 0, 1, case when v_options ? 'max_attempts' then absurd._max_attempts(v_options ->> 'max_attempts') end, p_now,
    0, null, null, null, null, null, null, null,   -- claim_epoch .. worker_version: nobody has claimed it
    p_now, p_now, null, null, null,
    p_parent.deadline, p_parent.deadline,          -- a child never outlives its parent's deadline, unless it is detached
    coalesce(p_params, 'null'), null, null, null, '{}', null,   -- headers .. idempotency_key: below
    p_parent.task_id, coalesce(p_parent.workflow_run_id, v_id), false,
    null, null, null, null,                        -- created_by .. workflow_hash
    null, null, null, null,                        -- wake_event .. error
    null, null, true, 1, 'task.spawned', 'new',    -- move_event .. last_state: as the gate sets them
    null, null, null, null, null, null)::absurd.task;
  if v_options - 'max_attempts' <> '{}' then
    v_task := absurd._with_options(v_task, v_options, p_queue, p_parent);
  end if;
  return v_task;
end
$$;

-- _with_options: the same row with everything else that a caller may choose. Each is looked at only where it is given.
create or replace function absurd._with_options(
  p_task absurd.task, p_options jsonb, p_queue absurd.queues, p_parent absurd.task
) returns absurd.task
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := p_task.enqueue_at;
begin
  if p_options ? 'headers' then
    p_task.headers := p_options -> 'headers';
    perform absurd._check_payload('headers', p_task.headers, p_queue.max_payload_bytes);
  end if;
  if p_options ? 'retry_strategy' then
    p_task.retry_strategy := p_options -> 'retry_strategy';
    perform absurd.retry_delay_seconds(p_task.retry_strategy, 1);
  end if;
  if p_options ? 'idempotency_key' then
    p_task.idempotency_key := p_options ->> 'idempotency_key';
    if octet_length(p_task.idempotency_key) > 1024 then
      raise exception 'idempotency_key has % bytes', octet_length(p_task.idempotency_key)
        using errcode = 'TW301', hint = 'Give at most 1024 bytes, for example a hash.';
    end if;
  end if;
  if p_options ? 'priority' then
    p_task.priority := coalesce(absurd._number_option('priority', p_options -> 'priority', -32768, 32767, true), 0);
  end if;
  if p_options ? 'tags' then
    p_task.tags := absurd._tags(p_options -> 'tags');
  end if;
  if p_options ?| '{created_by,workflow_version,workflow_hash}' then
    p_task.created_by := absurd._text_option('created_by', p_options -> 'created_by');
    p_task.workflow_version := absurd._text_option('workflow_version', p_options -> 'workflow_version');
    p_task.workflow_hash := absurd._text_option('workflow_hash', p_options -> 'workflow_hash');
  end if;
  if p_options ?| '{delay_seconds,start_at}' then
    p_task.available_at := coalesce(
      absurd._time_option('start_at', p_options -> 'start_at'),
      v_now + absurd._number_option('delay_seconds', p_options -> 'delay_seconds', 0, 3e9) * interval '1 second',
      v_now);
    if p_task.available_at > v_now then
      p_task.state := 'sleeping';
      p_task.move_detail := jsonb_build_object('start_at', p_task.available_at);
    end if;
  end if;
  if p_options ?| '{detached,deadline,deadline_seconds,cancellation}' then
    p_task.cancellation := p_options -> 'cancellation';
    perform absurd._check_cancellation(p_task.cancellation);
    p_task.detached := coalesce(absurd._flag_option('detached', p_options -> 'detached'), false);
    p_task.deadline := least(absurd._time_option('deadline', p_options -> 'deadline'),
                             v_now + absurd._number_option('deadline_seconds', p_options -> 'deadline_seconds', 0, 3e9) * interval '1 second',
                             case when not p_task.detached then p_parent.deadline end);
    p_task.cancel_at := absurd._cancel_at(p_task);
  end if;
  return p_task;
end
$$;

create or replace function absurd._max_attempts(p_value text) returns integer
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value::integer < 1 then
    raise exception 'max_attempts must be >= 1' using errcode = 'P0001', hint = 'Leave it out to retry without limit.';
  end if;
  return p_value::integer;
end
$$;

create or replace function absurd._tags(p_tags jsonb) returns text[]
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_tags is null or jsonb_typeof(p_tags) = 'null' then
    return '{}';
  end if;
  if jsonb_typeof(p_tags) <> 'array' or jsonb_array_length(p_tags) > 100
     or exists (select from jsonb_array_elements(p_tags) e where jsonb_typeof(e) <> 'string' or octet_length(e #>> '{}') > 255) then
    raise exception 'tags must be a list of at most 100 texts of at most 255 bytes, not %', left(p_tags::text, 100)
      using errcode = 'TW301', hint = 'For example ["eu", "vip"].';
  end if;
  return array(select e from jsonb_array_elements_text(p_tags) e);
end
$$;

-- _parent: the parent of a new child, locked; a claim epoch that is no longer its own is refused.
create or replace function absurd._parent(p_parent_id uuid, p_epoch bigint) returns absurd.task
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent absurd.task;
begin
  if p_parent_id is null then
    return null;
  end if;
  select * into v_parent from absurd.task t where t.task_id = p_parent_id for no key update;
  if not found then
    raise exception 'parent task % not found', p_parent_id using errcode = 'TW301', hint = 'Pass the id of a live task.';
  end if;
  if p_epoch is not null and (v_parent.claim_epoch <> p_epoch or v_parent.state = 'sleeping' or v_parent.state = 'pending') then
    perform absurd._raise_lease_lost(v_parent, p_epoch);
  elsif v_parent.state = 'cancelled' then
    raise exception 'Task has been cancelled' using errcode = 'AB001', hint = 'A cancelled task starts no children.';
  elsif v_parent.state in ('completed', 'failed') then
    raise exception 'parent task % is %', p_parent_id, v_parent.state
      using errcode = 'TW301', hint = 'Only a task that is not over has children.';
  end if;
  return v_parent;
end
$$;

create or replace function absurd._raise_lease_lost(p_task absurd.task, p_epoch bigint) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_task.state = 'cancelled' and p_task.claim_epoch = p_epoch then
    raise exception 'Task has been cancelled' using errcode = 'AB001', hint = 'Stop the work; the task is over.';
  end if;
  raise exception 'claim % of run % is lost: the task is %, its claim epoch %',
      p_epoch, absurd.run_id_of(p_task.task_id, p_task.attempt), p_task.state, p_task.claim_epoch
    using errcode = 'TW201', hint = 'Another worker owns this run now, or nobody: stop and discard the work.';
end
$$;
