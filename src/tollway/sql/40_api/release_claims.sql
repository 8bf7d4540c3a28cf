-- release_claims: give claimed tasks back at once, without spending an attempt, so that others take them.
--
-- Called by  worker, when it shuts down
-- Locks      task rows, by id, with SKIP LOCKED: what is held elsewhere is recovered when its lease ends
-- Moves      running -> pending
-- Raises     TW301 claims
-- Retry      safe: what is no longer held is answered lost
create or replace function absurd.release_claims(
  p_queue_name text,
  p_claims     jsonb     -- [{"task_id", "epoch"}, ...]
) returns table (task_id uuid, status text)   -- ok, busy, lost
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids    uuid[] := array(select c.task_id from absurd._claims(p_claims) c);
  v_locked uuid[];
  v_held   uuid[];
begin
  v_locked := array(select t.task_id from absurd.task t where t.task_id = any (v_ids) and t.queue_name = p_queue_name
                    order by t.task_id for no key update skip locked);
  v_held := array(
    select t.task_id from absurd._claims(p_claims) c
    join absurd.task t on t.task_id = c.task_id and t.queue_name = p_queue_name and t.claim_epoch = c.epoch
                      and t.state = 'running');
  update absurd.task t
  set state = 'pending', move_event = 'run.released', move_detail = null, available_at = absurd.current_time()
  where t.task_id = any (v_held) and t.task_id = any (v_locked);
  return query
    select i.id, case when i.id <> all (v_held) then 'lost' when i.id <> all (v_locked) then 'busy' else 'ok' end
    from unnest(v_ids) i(id);
end
$$;
