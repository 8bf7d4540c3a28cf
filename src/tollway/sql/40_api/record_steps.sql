-- record_steps: the shortest way for a worker with many tasks: the results of steps, one of each of so many runs, and nothing else.
--
-- Called by  worker, instead of a worker_sync whose operations are all checkpoints
-- Locks      task rows, by id, with SKIP LOCKED
-- Moves      none; a checkpoint row is its own record
-- Raises     nothing of its own. False when there is something to judge: a lost lease, a row that another session holds, a step that has
--            a value, a large value. Then worker_sync is to be asked, which says what; of a step that was recorded beside one, "already"
-- Retry      safe, through worker_sync
create or replace function absurd.record_steps(
  p_queue_name   text,
  p_task_ids     uuid[],                           -- in their order, each once
  p_claim_epochs bigint[],                         -- here and below: of each task, at its place
  p_step_names   text[],
  p_states       jsonb,                            -- an array
  p_durations_ms double precision[] default null
) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off   -- as worker_sync
set plan_cache_mode = force_generic_plan
as $$
declare
  v_number   integer := cardinality(p_task_ids);
  v_attempts integer[];
  v_recorded integer;
begin
  if (v_number = cardinality(p_claim_epochs) and v_number = cardinality(p_step_names)
      and v_number = case jsonb_typeof(p_states) when 'array' then jsonb_array_length(p_states) end) is not true then
    return false;
  end if;
  v_attempts := absurd._held_attempts(p_queue_name, p_task_ids, p_claim_epochs);
  if v_attempts is null then
    return false;
  end if;
  begin
    -- In the next statement, whose snapshot has what was committed before the locks. Not "on conflict do nothing": to insert a row so that
    -- it could still be taken back costs a fifth more, and nearly none has to be.
    insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch, updated_at, duration_ms)
    select s.task_id, s.step_name, p_queue_name, s.state, s.attempt, s.epoch, absurd.current_time(), s.duration_ms
    from rows from (unnest(p_task_ids, p_claim_epochs, v_attempts, p_step_names, p_durations_ms), jsonb_array_elements(p_states))
         s(task_id, epoch, attempt, step_name, duration_ms, state)
    -- what is this small is neither too large nor nested too deep for any queue
    where octet_length(s.step_name) between 1 and 255 and pg_column_size(s.state) < 512;
    get diagnostics v_recorded = row_count;
  exception when unique_violation then   -- recorded before, so or otherwise: to be judged
    return false;
  end;
  return v_recorded = v_number;
end
$$;
