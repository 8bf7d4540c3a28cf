-- worker_sync, the shortest way, for what workers send most: the only operation of its task in this call is a step or the run's
-- completion, its row is free, and the run is held under its epoch. Nothing remains to be judged. All others are handed back untouched.
create or replace function absurd._sync_lone(
  p_queue_name text, p_ops absurd.sync_op[], out recorded integer[], out rest absurd.sync_op[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_steps    absurd.sync_op[];
  v_attempts integer[];
  v_ends     absurd.sync_op[];
  v_tasks    uuid[];
begin
  -- skip locked: what is held elsewhere is judged with the rest, and answered busy
  select array_agg(s.op) filter (where (s.op).op = 'checkpoint'), array_agg(s.attempt) filter (where (s.op).op = 'checkpoint'),
         array_agg(s.op) filter (where (s.op).op = 'complete')
  into v_steps, v_attempts, v_ends
  from (select a.op, t.attempt
        from (select o as op, count(*) over (partition by o.task_id) as among from unnest(p_ops) o) a
        join absurd.task t on t.task_id = (a.op).task_id
        where a.among = 1 and (a.op).op in ('checkpoint', 'complete') and (a.op).status is null
          -- not "=": no index but the primary key may serve, whatever the statistics say
          and (t.queue_name, t.state) is not distinct from (p_queue_name, 'running') and t.claim_epoch = (a.op).epoch
        for no key update of t skip locked) s;
  if v_steps is not null then
    -- in the next statement, whose snapshot has what was committed before the lock
    with done as (
      insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch, updated_at, duration_ms)
      select h.task_id, h.step, p_queue_name, h.value, h.unnest, h.epoch, absurd.current_time(), h.duration_ms
      from unnest(v_steps, v_attempts) h   -- all fields of an operation, and its task's attempt, which has the function's name
      on conflict do nothing   -- recorded before, so or otherwise: to be judged
      returning task_id)
    select array_agg(d.task_id) into v_tasks from done d;
  end if;
  if v_ends is not null then
    perform absurd._sync_complete(v_ends);
    v_tasks := v_tasks || array(select o.task_id from unnest(v_ends) o);
  end if;

  if cardinality(v_tasks) = cardinality(p_ops) then
    recorded := array(select o.n from unnest(p_ops) o);
  elsif v_tasks is null then
    rest := p_ops;
  else
    recorded := array(select o.n from unnest(p_ops) o where o.task_id = any (v_tasks));
    -- "is not true": an operation that could not be read may have no task
    rest := array(select o from unnest(p_ops) o where (o.task_id = any (v_tasks)) is not true);
  end if;
end
$$;

-- _sync_complete: these runs, which are locked and held under their epochs, end.
create or replace function absurd._sync_complete(p_ops absurd.sync_op[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  update absurd.task t
  set state = 'completed', move_event = 'run.completed', move_detail = null, result = o.value
  from unnest(p_ops) o
  where t.task_id = o.task_id;
end
$$;
