-- worker_sync, the shortest way, for what workers send most: the only operation of its task in this call is a step, its row
-- is free, and the run is held under its epoch. Nothing remains to be judged. All others are handed back untouched.
create or replace function absurd._sync_steps(
  p_queue_name text, p_ops absurd.sync_op[], out recorded integer[], out rest absurd.sync_op[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_held     absurd.sync_op[];
  v_attempts integer[];
  v_tasks    uuid[];
begin
  -- skip locked: what is held elsewhere is judged with the rest, and answered busy
  select array_agg(s.op), array_agg(s.attempt) into v_held, v_attempts
  from (select a.op, t.attempt
        from (select o as op, count(*) over (partition by o.task_id) as among from unnest(p_ops) o) a
        join absurd.task t on t.task_id = (a.op).task_id
        where a.among = 1 and (a.op).op = 'checkpoint' and (a.op).status is null
          -- not "=": no index but the primary key may serve, whatever the statistics say
          and (t.queue_name, t.state) is not distinct from (p_queue_name, 'running') and t.claim_epoch = (a.op).epoch
        for no key update of t skip locked) s;
  -- in the next statement, whose snapshot has what was committed before the lock
  with done as (
    insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch, updated_at, duration_ms)
    select h.task_id, h.step, p_queue_name, h.value, h.unnest, h.epoch, absurd.current_time(), h.duration_ms
    from unnest(v_held, v_attempts) h   -- all fields of an operation, and its task's attempt, which has the function's name
    on conflict do nothing   -- recorded before, so or otherwise: to be judged
    returning task_id)
  select array_agg(d.task_id) into v_tasks from done d;

  if cardinality(v_tasks) = cardinality(p_ops) then
    recorded := array(select o.n from unnest(p_ops) o);
  elsif v_tasks is null then
    rest := p_ops;
  else
    recorded := array(select o.n from unnest(p_ops) o where o.task_id = any (v_tasks));
    rest := array(select o from unnest(p_ops) o where o.task_id <> all (v_tasks));
  end if;
end
$$;
