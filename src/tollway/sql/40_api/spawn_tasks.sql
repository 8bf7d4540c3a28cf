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
as $$
declare
  v_queue   absurd.queues := absurd._queue(p_queue_name, 't');
  v_now     timestamptz;
  v_tasks   absurd.task[];
  v_lost    integer;
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
  insert into absurd.task select t.* from unnest(v_tasks) t where t.idempotency_key is null;
  for v_try in 1 .. 10 loop
    -- keys in one order for everybody, so that two callers with the same keys do not deadlock
    insert into absurd.task select t.* from unnest(v_tasks) t
    where t.idempotency_key is not null order by t.idempotency_key, t.task_id
    on conflict do nothing;
    select count(*) into v_lost from unnest(v_tasks) t
    where t.idempotency_key is not null
      and not exists (select from absurd.task k where k.queue_name = p_queue_name and k.idempotency_key = t.idempotency_key);
    exit when v_lost = 0;
  end loop;
  if v_lost > 0 then
    -- each time the key was there for the insert and gone for the select
    raise exception '% idempotency keys in queue "%" were concurrently cleaned up', v_lost, p_queue_name
      using errcode = '40001', hint = 'Retry spawn_tasks with the same idempotency keys.';
  end if;
  return query
    select t.ordinality::integer, i.id, absurd.run_id_of(i.id, coalesce(k.attempt, 1)), coalesce(k.attempt, 1), i.id = t.task_id
    from unnest(v_tasks) with ordinality t
    left join lateral (
      select o.task_id, o.attempt from absurd.task o
      where t.idempotency_key is not null and o.queue_name = p_queue_name and o.idempotency_key = t.idempotency_key) k on true
    cross join lateral (select coalesce(k.task_id, t.task_id) as id) i
    order by 1;
end
$$;
