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
  v_number   integer := cardinality(p_ops);
  v_op       absurd.sync_op;
  v_steps    integer;
  v_ends     integer;
  v_attempts integer[];
  v_lone     absurd.sync_op[] := p_ops;
  v_ended    uuid[];
  v_results  jsonb[];
  v_tasks    uuid[];   -- whose operation is recorded
begin
  -- skip locked, here and below: what is held elsewhere is judged with the rest, and answered busy
  if v_number = 1 then
    v_op := p_ops[1];
    select array[t.attempt] into v_attempts from absurd.task t
    where v_op.op in ('checkpoint', 'complete') and v_op.status is null and t.task_id = v_op.task_id
      -- not "=": no index but the primary key may serve, whatever the statistics say
      and (t.queue_name, t.state) is not distinct from (p_queue_name, 'running') and t.claim_epoch = v_op.epoch
    for no key update skip locked;
    v_steps := (found and v_op.op = 'checkpoint')::integer;
    v_ends := (found and v_op.op = 'complete')::integer;
  elsif v_number >= 20 then   -- of fewer it costs more than it saves
    select m.steps, m.ends, m.attempts into v_steps, v_ends, v_attempts from absurd._sync_many(p_queue_name, p_ops) m;
  end if;
  if v_number > 1 and v_attempts is null then
    select array_agg(s.op), array_agg(s.attempt), count(*) filter (where (s.op).op = 'checkpoint')
    into v_lone, v_attempts, v_steps
    from (select a.op, t.attempt
          from (select o as op, count(*) over (partition by o.task_id) as among from unnest(p_ops) o) a
          join absurd.task t on t.task_id = (a.op).task_id
          where a.among = 1 and (a.op).op in ('checkpoint', 'complete') and (a.op).status is null
            and (t.queue_name, t.state) is not distinct from (p_queue_name, 'running') and t.claim_epoch = (a.op).epoch
          for no key update of t skip locked) s;
    v_ends := cardinality(v_lone) - v_steps;
  end if;

  if v_steps > 0 then
    -- in the next statement, whose snapshot has what was committed before the lock
    with done as (
      insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch, updated_at, duration_ms)
      select h.task_id, h.step, p_queue_name, h.value, h.unnest, h.epoch, absurd.current_time(), h.duration_ms
      from unnest(v_lone, v_attempts) h   -- all fields of an operation, and its task's attempt, which has the function's name
      where h.op = 'checkpoint'
      on conflict do nothing   -- recorded before, so or otherwise: to be judged
      returning task_id)
    select array_agg(d.task_id) into v_tasks from done d;
  end if;
  if v_ends > 0 then
    if v_number = 1 then
      v_ended := array[v_op.task_id];
      v_results := array[v_op.value];
    else
      select array_agg(o.task_id), array_agg(o.value) into v_ended, v_results from unnest(v_lone) o where o.op = 'complete';
    end if;
    perform absurd._sync_complete(v_ended, v_results);
    v_tasks := v_tasks || v_ended;
  end if;

  if cardinality(v_tasks) = v_number then
    recorded := array(select o.n from unnest(p_ops) o);
  elsif v_tasks is null then
    rest := array(select o from unnest(p_ops) o order by o.n);
  else
    recorded := array(select o.n from unnest(p_ops) o where o.task_id = any (v_tasks));
    -- "is not true": an operation that could not be read may have no task
    rest := array(select o from unnest(p_ops) o where (o.task_id = any (v_tasks)) is not true order by o.n);
  end if;
end
$$;

-- _sync_many: lock the rows of many operations, and give the attempt of each at its own place; nothing, when they are not all steps and
-- completions, alone with their tasks and held under their epochs. Operations and rows lie in the order of the tasks, then: when they
-- are as many and as named, they need no join.
create or replace function absurd._sync_many(
  p_queue_name text, p_ops absurd.sync_op[], out attempts integer[], out steps integer, out ends integer
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids    uuid[];
  v_epochs bigint[];
begin
  select count(*) filter (where o.op = 'checkpoint' and o.status is null), count(*) filter (where o.op = 'complete' and o.status is null),
         array_agg(o.task_id), array_agg(o.epoch)
  into steps, ends, v_ids, v_epochs
  from unnest(p_ops) o;
  if steps + ends < cardinality(p_ops) then
    return;
  end if;
  attempts := absurd._held_attempts(p_queue_name, v_ids, v_epochs);
end
$$;

-- _held_attempts: lock these tasks' rows, which are named in their order and once each, and give their attempts; null, unless all of
-- them run under these epochs and nobody else has them locked.
create or replace function absurd._held_attempts(p_queue_name text, p_tasks uuid[], p_epochs bigint[]) returns integer[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_held     uuid[];
  v_epochs   bigint[];
  v_attempts integer[];
begin
  select array_agg(h.task_id), array_agg(h.claim_epoch), array_agg(h.attempt) into v_held, v_epochs, v_attempts
  from (select t.task_id, t.claim_epoch, t.attempt from absurd.task t
        -- not "=": no index but the primary key may serve, whatever the statistics say
        where t.task_id = any (p_tasks) and (t.queue_name, t.state) is not distinct from (p_queue_name, 'running')
        order by t.task_id for no key update skip locked) h;
  if v_held is distinct from p_tasks or v_epochs <> p_epochs then
    return null;
  end if;
  return v_attempts;
end
$$;

-- _sync_complete: these runs, which are locked and held under their epochs, end.
create or replace function absurd._sync_complete(p_tasks uuid[], p_results jsonb[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  update absurd.task t
  set state = 'completed', move_event = 'run.completed', move_detail = null, result = o.result
  from unnest(p_tasks, p_results) o(task_id, result)
  where t.task_id = o.task_id;
end
$$;
