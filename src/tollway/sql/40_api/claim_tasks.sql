-- claim_tasks: claim_task with what a fencing worker needs besides: the claim epoch, the lease, all checkpoints.
--
-- Called by  worker, through worker_sync; clients that run tasks themselves
-- Locks      as claim_task
-- Moves      as claim_task
-- Raises     as claim_task
-- Retry      as claim_task
create or replace function absurd.claim_tasks(
  p_queue_name     text,
  p_worker_id      text,
  p_claim_timeout  integer default 30,
  p_qty            integer default 1,
  p_instance       uuid default null,
  p_call           bigint default null,
  p_worker_version text default null
) returns table (
  run_id uuid, task_id uuid, attempt integer, task_name text, params jsonb, retry_strategy jsonb, max_attempts integer,
  headers jsonb, wake_event text, event_payload jsonb, claim_epoch bigint, claim_expires_at timestamptz, checkpoints jsonb
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off   -- as the gate: by key, however small the tables were when this was planned
set enable_mergejoin = off
set enable_seqscan = off
as $$
declare
  v_ids uuid[] := array(
    select c.task_id
    from absurd.claim_task(p_queue_name, p_worker_id, p_claim_timeout, p_qty, p_instance, p_call, p_worker_version, null, true) c);
begin
  -- read in the statement after the one that locked: one statement has one snapshot, and would miss a checkpoint
  return query
    select absurd.run_id_of(t.task_id, t.attempt), t.task_id, t.attempt, t.task_name, t.params, t.retry_strategy, t.max_attempts,
           t.headers, t.wake_event, t.event_payload, t.claim_epoch, t.claim_expires_at, s.checkpoints
    from unnest(v_ids) with ordinality i(id, n)
    join absurd.task t on t.task_id = i.id
    cross join lateral absurd._checkpoints(t.task_id) s
    order by i.n;
end
$$;
