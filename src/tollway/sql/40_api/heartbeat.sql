-- heartbeat: extend many leases at once; a row that is locked counts as alive, and is not waited for.
--
-- Called by  worker, on a connection of its own
-- Locks      task rows, by id, with SKIP LOCKED
-- Moves      running -> cancelled, when the deadline or max_duration of one's own claim is over: a full worker claims nothing, and
--            no sweep would come by
-- Raises     P0001 extend_by · TW301 claims
-- Retry      safe
create or replace function absurd.heartbeat(
  p_queue_name text,
  p_claims     jsonb,     -- [{"task_id", "epoch"}, ...]
  p_extend_by  integer    -- seconds
) returns table (task_id uuid, status text)   -- ok, busy (locked: alive), cancelled, lost
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
-- by key, however small the tables were when this was planned; the compiler as in claim_task
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_ids    uuid[];
  v_locked uuid[];
  v_now    timestamptz;
begin
  if p_extend_by is null or p_extend_by <= 0 then
    raise exception 'extend_by must be > 0' using errcode = 'P0001', hint = 'Give seconds.';
  end if;
  v_ids := array(select c.task_id from absurd._claims(p_claims) c);
  v_locked := array(select t.task_id from absurd.task t where t.task_id = any (v_ids) and t.queue_name = p_queue_name
                    order by t.task_id for no key update skip locked);
  v_now := absurd.current_time();
  perform absurd._cancel_by_rule(t.task_id, v_now)
  from absurd._claims(p_claims) c
  join absurd.task t on t.task_id = c.task_id
  -- not "=", here and below: the index of the leases, of which many may be held, is not to serve
  where t.task_id = any (v_locked) and t.state is not distinct from 'running' and t.claim_epoch = c.epoch and t.cancel_at <= v_now;
  update absurd.task t
  set claim_expires_at = greatest(t.claim_expires_at, v_now + make_interval(secs => p_extend_by)), heartbeat_at = v_now
  from absurd._claims(p_claims) c
  where t.task_id = c.task_id and t.task_id = any (v_locked) and t.state is not distinct from 'running' and t.claim_epoch = c.epoch;
  return query
    select c.task_id,
           case when t.task_id is null then 'lost'
                when t.state = 'running' and t.claim_epoch = c.epoch then
                  case when t.task_id = any (v_locked) then 'ok' else 'busy' end
                when t.state = 'cancelled' and t.claim_epoch = c.epoch then 'cancelled'
                else 'lost' end
    from absurd._claims(p_claims) c
    left join absurd.task t on t.task_id = c.task_id and t.queue_name = p_queue_name;
end
$$;
