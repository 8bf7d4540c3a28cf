-- worker_sync, first: read and check the operations. One statement, however many operations there are.
create or replace function absurd._sync_read(p_queue absurd.queues, p_ops jsonb) returns absurd.sync_op[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := absurd.current_time();
begin
  return array(
    select row(r.n, r.op, r.task_id, r.epoch, r.step, r.event, r.task, v.value, m.moment, coalesce(r.retryable, true), r.duration_ms,
               null, case when e.problem is not null then 'refused' end, e.problem, null, null)::absurd.sync_op
    from jsonb_to_recordset(p_ops) r(
           n integer, op text, task_id uuid, epoch bigint, step text, event text, task uuid, state jsonb, result jsonb, reason jsonb,
           payload jsonb, until timestamptz, seconds double precision, retry_at timestamptz, retry_in double precision,
           timeout double precision, retryable boolean, duration_ms double precision),
         lateral (select case r.op when 'checkpoint' then r.state when 'complete' then r.result when 'fail' then r.reason
                                   when 'emit' then coalesce(r.payload, 'null') end as value) v,
         -- longer than a century is for ever long; an interval cannot hold what a number can
         lateral (select coalesce(r.seconds, r.retry_in, r.timeout) as seconds) d,
         lateral (select coalesce(r.until, r.retry_at, v_now + case when d.seconds > 3e9 then 3e9 when d.seconds < 0 then 0 else d.seconds end * interval '1 second')
                         as moment) m,
         lateral (select absurd._sync_problem(r.op, r.task_id, r.epoch, r.step, r.event, r.task, v.value, m.moment,
                                              p_queue.max_payload_bytes) as problem) e
    order by r.n);
end
$$;

-- _sync_problem: what is wrong with one operation, or null.
create or replace function absurd._sync_problem(
  p_op text, p_task_id uuid, p_epoch bigint, p_step text, p_event text, p_awaited uuid, p_value jsonb, p_moment timestamptz,
  p_max_bytes integer
) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when p_op is null or p_op not in ('checkpoint', 'complete', 'fail', 'sleep', 'await', 'await_task', 'emit', 'put_back', 'release')
      then format('unknown operation %s', coalesce(p_op, 'null'))
    when p_task_id is null or p_epoch is null then 'task_id and epoch must be given'
    when p_op in ('checkpoint', 'await', 'await_task') and (p_step is null or octet_length(p_step) not between 1 and 255)
      then 'step must have 1 to 255 bytes'
    when p_op in ('await', 'emit') and (p_event is null or octet_length(p_event) not between 1 and 255)
      then 'event must have 1 to 255 bytes'
    when p_op = 'await_task' and p_awaited is null then 'task must be given'
    when p_op in ('sleep', 'put_back') and p_moment is null then 'until or seconds must be given'
    when pg_column_size(p_value) < 512 then null
    when octet_length(p_value::text) > p_max_bytes
      then format('the payload has %s bytes; the limit is %s', octet_length(p_value::text), p_max_bytes)
    when jsonb_path_exists(p_value, 'strict $.**{64 to last} ? (@.type() == "array" || @.type() == "object")')
      then 'the payload is nested deeper than 64 levels'
  end;
end
$$;
