-- claim_task: take runnable tasks for a worker, in order of priority and time; first recover what others left.
--
-- Called by  worker, through claim_tasks or worker_sync; SDKs
-- Locks      task rows, all with SKIP LOCKED: a claim never waits
-- Moves      pending, sleeping -> running; an expired lease as fail_run does; a cancellation rule -> cancelled
-- Raises     42P01 no such queue · TW301 marks · TW304 worker name
-- Retry      safe: what was claimed is returned again by worker_sync, or recovered when its lease ends
create or replace function absurd.claim_task(
  p_queue_name     text,
  p_worker_id      text,
  p_claim_timeout  integer default 30,     -- seconds; 0 or less gets a day, so that a dead worker's task is recovered
  p_qty            integer default 1,
  p_instance       uuid default null,      -- the worker process and its call number, kept with the claim
  p_call           bigint default null,
  p_worker_version text default null,
  p_marks          jsonb default null,     -- of a worker_sync a moment ago: where to look from; what others left waits for the next look
  p_ids_only       boolean default false   -- all but task_id is null: for a caller who reads the tasks himself
) returns table (
  run_id uuid, task_id uuid, attempt integer, task_name text, params jsonb, retry_strategy jsonb, max_attempts integer,
  headers jsonb, wake_event text, event_payload jsonb
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
-- a plan made while the tables were small, or before they were analyzed, must not read them whole once they are large
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan   -- as worker_sync: to plan anew costs more than it saves
set jit = off   -- before PostgreSQL 18 what is switched off only looks expensive, and its price would start the compiler
as $$
declare
  v_now     timestamptz := absurd.current_time();
  v_from    jsonb;
  v_lease   interval := make_interval(secs => case when coalesce(p_claim_timeout, 30) <= 0 then 86400 else coalesce(p_claim_timeout, 30) end);
  v_queue   boolean;
  v_left    boolean;
  v_cancels boolean;
  v_expired boolean;
  v_ids     uuid[];
begin
  if p_marks is not null then
    v_from := absurd._valid_marks(p_marks, clock_timestamp());
  end if;
  if v_from is null then
    -- one look tells, nearly always, that the queue is there and nothing to sweep
    select exists (select from absurd.queues q where q.queue_name = p_queue_name), s.left_over, s.cancellations, s.leases
    into v_queue, v_left, v_cancels, v_expired
    from absurd._to_sweep(p_queue_name, v_now) s;
  end if;
  if v_queue is not true then
    perform absurd._queue(p_queue_name, 'r');
  end if;
  if octet_length(p_worker_id) > 255 then
    perform absurd._check_length('worker_id', p_worker_id);
  end if;
  if v_left or v_cancels or v_expired then
    perform absurd._sweep(p_queue_name, v_now, v_left, v_cancels);
  end if;

  v_ids := absurd._runnable(p_queue_name, greatest(coalesce(p_qty, 1), 1), absurd.current_time(), v_from);
  if v_ids = '{}' then
    return;
  end if;

  v_now := absurd.current_time();   -- a lease counts from when the rows were locked
  update absurd.task t
  set state = 'running', move_event = 'run.claimed', move_detail = null, claim_epoch = t.claim_epoch + 1,
      claimed_by = coalesce(nullif(p_worker_id, ''), 'worker'), claimed_at = v_now, heartbeat_at = v_now,
      claim_expires_at = v_now + v_lease, claim_instance = p_instance, claim_call = p_call, worker_version = p_worker_version,
      started_at = v_now, first_started_at = coalesce(t.first_started_at, v_now), available_at = v_now
  where t.task_id = any (v_ids);
  if p_ids_only then
    foreach task_id in array v_ids loop
      return next;
    end loop;
    return;
  end if;
  return query
    select absurd.run_id_of(c.task_id, c.attempt), c.*
    from unnest(v_ids) i(id),   -- in the order of the ids: the other side has to be asked for each of them
         lateral (select t.task_id, t.attempt, t.task_name, t.params, t.retry_strategy, t.max_attempts, t.headers, t.wake_event, t.event_payload
                  from absurd.task t where t.task_id = i.id offset 0) c;
end
$$;
