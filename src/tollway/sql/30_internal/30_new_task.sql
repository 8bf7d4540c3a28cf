-- _new_task: a task's row from what a caller gave; every option is checked here and nowhere else.
create or replace function absurd._new_task(
  p_queue absurd.queues, p_task_name text, p_params jsonb, p_options jsonb, p_parent absurd.task, p_now timestamptz
) returns absurd.task
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task    absurd.task;
  v_options jsonb := case when jsonb_typeof(p_options) = 'object' then p_options else '{}' end;
  v_delay   double precision;
begin
  perform absurd._check_name('task_name', p_task_name), absurd._check_payload('params', p_params, p_queue.max_payload_bytes);
  v_task.task_id := absurd.task_id_of(absurd.portable_uuidv7());
  v_task.queue_name := p_queue.queue_name;
  v_task.task_name := p_task_name;
  v_task.params := coalesce(p_params, 'null');
  v_task.state := 'pending';
  v_task.priority := 0;
  v_task.attempt := 1;
  v_task.claim_epoch := 0;
  v_task.available_at := p_now;
  v_task.enqueue_at := p_now;
  v_task.attempt_at := p_now;
  v_task.detached := false;
  v_task.tags := '{}';
  v_task.moved := true;
  v_task.seq := 1;
  v_task.last_event := 'task.spawned';
  v_task.parent_task_id := p_parent.task_id;
  v_task.workflow_run_id := coalesce(p_parent.workflow_run_id, v_task.task_id);
  if v_options = '{}' then
    v_task.deadline := p_parent.deadline;   -- a child never outlives its parent's deadline, unless it is detached
    v_task.cancel_at := p_parent.deadline;
    return v_task;
  end if;

  v_task.max_attempts := absurd._max_attempts(v_options ->> 'max_attempts');
  v_task.headers := v_options -> 'headers';
  perform absurd._check_payload('headers', v_task.headers, p_queue.max_payload_bytes);
  v_task.retry_strategy := v_options -> 'retry_strategy';
  perform absurd.retry_delay_seconds(v_task.retry_strategy, 1);
  v_task.cancellation := v_options -> 'cancellation';
  perform absurd._check_cancellation(v_task.cancellation);
  v_task.idempotency_key := v_options ->> 'idempotency_key';
  if octet_length(v_task.idempotency_key) > 1024 then
    raise exception 'idempotency_key has % bytes', octet_length(v_task.idempotency_key)
      using errcode = 'TW301', hint = 'Give at most 1024 bytes, for example a hash.';
  end if;
  v_task.priority := coalesce(absurd._number_option('priority', v_options -> 'priority', -32768, 32767, true), 0);
  v_delay := absurd._number_option('delay_seconds', v_options -> 'delay_seconds', 0, 3e9);
  v_task.available_at := coalesce(absurd._time_option('start_at', v_options -> 'start_at'),
                                  p_now + v_delay * interval '1 second', p_now);
  if v_task.available_at > p_now then
    v_task.state := 'sleeping';
    v_task.move_detail := jsonb_build_object('start_at', v_task.available_at);
  end if;
  v_task.detached := coalesce(absurd._flag_option('detached', v_options -> 'detached'), false);
  v_task.deadline := least(absurd._time_option('deadline', v_options -> 'deadline'),
                           p_now + absurd._number_option('deadline_seconds', v_options -> 'deadline_seconds', 0, 3e9) * interval '1 second',
                           case when not v_task.detached then p_parent.deadline end);
  v_task.tags := absurd._tags(v_options -> 'tags');
  v_task.created_by := absurd._text_option('created_by', v_options -> 'created_by');
  v_task.workflow_version := absurd._text_option('workflow_version', v_options -> 'workflow_version');
  v_task.workflow_hash := absurd._text_option('workflow_hash', v_options -> 'workflow_hash');
  v_task.cancel_at := absurd._cancel_at(v_task);
  return v_task;
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
