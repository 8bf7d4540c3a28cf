-- record_step: the shortest way for what a worker with one task has to say most: one step's result, and nothing else.
--
-- Called by  worker, instead of a worker_sync whose only operation is a checkpoint
-- Locks      task (one row), with SKIP LOCKED
-- Moves      none; the checkpoint row is its own record
-- Raises     nothing of its own. False, and nothing was done, when there is something to judge: a lost lease, a step that has a value,
--            a large value, a row that another session holds. Then worker_sync is to be asked, which says what
-- Retry      safe, through worker_sync, which answers "already"
create or replace function absurd.record_step(
  p_queue_name  text,
  p_task_id     uuid,
  p_claim_epoch bigint,
  p_step_name   text,
  p_state       jsonb,
  p_duration_ms double precision default null
) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_attempt integer;
begin
  -- what is this small is neither too large nor nested too deep for any queue
  if p_state is null or pg_column_size(p_state) >= 512 or p_step_name is null or octet_length(p_step_name) not between 1 and 255 then
    return false;
  end if;
  select t.attempt into v_attempt from absurd.task t
  -- not "=": no index but the primary key may serve, whatever the statistics say
  where t.task_id = p_task_id and (t.queue_name, t.state) is not distinct from (p_queue_name, 'running') and t.claim_epoch = p_claim_epoch
  for no key update skip locked;
  if not found then
    return false;
  end if;
  -- in the next statement, whose snapshot has what was committed before the lock
  insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch, updated_at, duration_ms)
  values (p_task_id, p_step_name, p_queue_name, p_state, v_attempt, p_claim_epoch, absurd.current_time(), p_duration_ms)
  on conflict do nothing;   -- recorded before, so or otherwise: to be judged
  return found;
end
$$;
