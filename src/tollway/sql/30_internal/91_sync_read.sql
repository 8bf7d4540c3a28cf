-- worker_sync, first: read and check the operations. One statement, however many there are, unless one cannot be read.
-- In the order of their tasks, which is the one that rows are locked in.
create or replace function absurd._sync_read(p_queue absurd.queues, p_ops jsonb) returns absurd.sync_op[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(p_ops) <> 'array' then
    raise exception 'ops must be a JSON array, not %', jsonb_typeof(p_ops)
      using errcode = 'TW301', hint = 'Give [{"n": 0, "op": "checkpoint", "task_id": ..., "epoch": ...}, ...].';
  end if;
  return absurd._sync_rows(p_queue, p_ops);
exception when data_exception then   -- a uuid, a number or a time that is none: each by itself, so that only that one is refused
  return array(select o from jsonb_array_elements(p_ops) e, lateral absurd._sync_row(p_queue, e) o order by o.task_id, o.n);
end
$$;

-- _sync_row: one operation; refused when it cannot be read, with its task and number as far as they can be.
create or replace function absurd._sync_row(p_queue absurd.queues, p_op jsonb) returns absurd.sync_op
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_op    absurd.sync_op;
  v_error text;
begin
  begin
    return (absurd._sync_rows(p_queue, jsonb_build_array(p_op)))[1];
  exception when data_exception then
    v_error := sqlerrm;
  end;
  begin
    v_op := (absurd._sync_rows(p_queue, jsonb_build_array(jsonb_build_object(
      'n', p_op -> 'n', 'op', p_op -> 'op', 'task_id', p_op -> 'task_id', 'epoch', p_op -> 'epoch'))))[1];
  exception when data_exception then
    v_op.n := case when p_op ->> 'n' ~ '^\d{1,9}$' then (p_op ->> 'n')::integer end;
  end;
  v_op.status := 'refused';
  v_op.error := v_error;
  v_op.sqlstate := 'TW301';
  return v_op;
end
$$;

create or replace function absurd._sync_rows(p_queue absurd.queues, p_ops jsonb) returns absurd.sync_op[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := absurd.current_time();
begin
  return array(
    -- what nothing can be wrong with need not be looked at
    select case when r.task_id is not null and r.epoch is not null
                     and (r.op = 'complete' and coalesce(pg_column_size(r.result), 0) < 512
                          or r.op = 'checkpoint' and coalesce(pg_column_size(r.state), 0) < 512 and octet_length(r.step) between 1 and 255)
                then o.op
                else absurd._sync_checked(o.op, p_queue.max_payload_bytes) end
    from jsonb_to_recordset(p_ops) r(
           n integer, op text, task_id uuid, epoch bigint, step text, event text, task uuid, state jsonb, result jsonb, reason jsonb,
           payload jsonb, until timestamptz, seconds double precision, retry_at timestamptz, retry_in double precision,
           timeout double precision, retryable boolean, duration_ms double precision, queue text, task_name text, params jsonb,
           options jsonb),
         -- longer than a century is for ever long; an interval cannot hold what a number can
         lateral (select coalesce(r.seconds, r.retry_in, r.timeout) as given) s,
         lateral (select case when s.given > 3e9 then 3e9 when s.given < 0 then 0 else s.given end as seconds) d,
         lateral (select
                 row(r.n, r.op, r.task_id, r.epoch, r.step, r.event, r.task,
                 -- null is a value like any other: read as SQL's null it would differ from what the other functions keep of it
                 coalesce(case r.op when 'checkpoint' then r.state when 'complete' then r.result when 'fail' then r.reason
                                    when 'emit' then r.payload when 'spawn' then r.params end, 'null'),
                 case r.op when 'spawn' then jsonb_build_object(
                   'queue', coalesce(r.queue, p_queue.queue_name), 'task_name', r.task_name, 'options', r.options) end,
                 coalesce(r.until, r.retry_at, v_now + d.seconds * interval '1 second'), coalesce(r.retryable, true), r.duration_ms,
                 null, null, null, null, null, null, null)::absurd.sync_op as op) o
    order by r.task_id, r.n);
end
$$;

-- _sync_checked: the operation, refused when something is wrong with it that can be seen without looking at its task.
create or replace function absurd._sync_checked(p_op absurd.sync_op, p_max_bytes integer) returns absurd.sync_op
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_op.op is null or p_op.op not in ('checkpoint', 'complete', 'fail', 'sleep', 'await', 'await_task', 'emit', 'spawn', 'put_back', 'release') then
    p_op.sqlstate := 'TW301';
    p_op.error := format('unknown operation %s', coalesce(p_op.op, 'null'));
  elsif p_op.task_id is null or p_op.epoch is null then
    p_op.sqlstate := 'TW301';
    p_op.error := 'task_id and epoch must be given';
  elsif p_op.op in ('checkpoint', 'await', 'await_task', 'spawn') and (p_op.step is null or octet_length(p_op.step) not between 1 and 255) then
    p_op.sqlstate := 'TW304';
    p_op.error := 'step must have 1 to 255 bytes';
  elsif p_op.op in ('await', 'emit') and (p_op.event is null or octet_length(p_op.event) not between 1 and 255) then
    p_op.sqlstate := 'TW304';
    p_op.error := 'event must have 1 to 255 bytes';
  elsif p_op.op = 'await_task' and p_op.awaited is null then
    p_op.sqlstate := 'TW301';
    p_op.error := 'task must be given';
  elsif p_op.op in ('sleep', 'put_back') and p_op.moment is null then
    p_op.sqlstate := 'TW301';
    p_op.error := 'until or seconds must be given';
  elsif pg_column_size(p_op.value) >= 512 and p_op.op <> 'spawn' then   -- a child's own queue has the say on its params
    if octet_length(p_op.value::text) > p_max_bytes then
      p_op.sqlstate := 'TW302';
      p_op.error := format('the payload has %s bytes; the limit is %s', octet_length(p_op.value::text), p_max_bytes);
    elsif jsonb_path_exists(p_op.value, 'strict $.**{64 to last} ? (@.type() == "array" || @.type() == "object")') then
      p_op.sqlstate := 'TW303';
      p_op.error := 'the payload is nested deeper than 64 levels';
    end if;
  end if;
  if p_op.sqlstate is not null then
    p_op.status := 'refused';
  end if;
  return p_op;
end
$$;
