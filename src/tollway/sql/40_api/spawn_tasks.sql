-- spawn_tasks: queue many tasks in one statement; p_tasks = [{"task_name", "params", "options"}, ...], answered in that order.
--
-- Called by  client, a workflow that starts children
-- Locks      the parents' task rows, by id
-- Moves      new -> pending, or sleeping until its start time
-- Raises     as spawn_task; nothing is stored when one of them is refused
-- Retry      safe with idempotency keys
create or replace function absurd.spawn_tasks(
  p_queue_name   text,
  p_tasks        jsonb,
  p_parent_epoch bigint default null   -- the parent's claim epoch, when a workflow starts children
) returns table (ordinal integer, task_id uuid, run_id uuid, attempt integer, created boolean)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
-- parents are looked up one by one: a hash join would read all tasks there are
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_queue absurd.queues := absurd._queue(p_queue_name, 't');
  v_now   timestamptz;
  v_tasks absurd.task[];
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' then
    raise exception 'tasks must be a JSON array, not %', coalesce(jsonb_typeof(p_tasks), 'null')
      using errcode = 'TW301', hint = 'Give [{"task_name": ..., "params": ..., "options": {...}}, ...].';
  end if;
  perform absurd._parent(p.id, p_parent_epoch) from (
    select distinct absurd._uuid_option('parent_task_id', e -> 'options' -> 'parent_task_id') as id
    from jsonb_array_elements(p_tasks) e where e -> 'options' ? 'parent_task_id' order by 1) p;
  v_now := absurd.current_time();
  -- made in the order given, so that tasks of one call run in that order
  v_tasks := array(
    select absurd._new_task(v_queue, e.doc ->> 'task_name', e.doc -> 'params', e.doc -> 'options', p, v_now)
    from jsonb_array_elements(p_tasks) with ordinality e(doc, n)
    left join absurd.task p on p.task_id = (e.doc -> 'options' ->> 'parent_task_id')::uuid
    order by e.n);
  return query
    select i.ordinal, i.task_id, absurd.run_id_of(i.task_id, i.attempt), i.attempt, i.created
    from absurd._insert_tasks(v_tasks) i
    order by 1;
end
$$;
