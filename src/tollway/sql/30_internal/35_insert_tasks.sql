-- _insert_tasks: store new tasks of one or more queues in one statement; a known idempotency key gives the task that has it.
create or replace function absurd._insert_tasks(p_tasks absurd.task[])
returns table (ordinal integer, task_id uuid, attempt integer, created boolean)
language plpgsql
set search_path = pg_catalog, pg_temp
-- keys are looked up one by one: a hash join would read all tasks there are
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_ids      uuid[];      -- the task that has the key of each, as one statement saw them: a clean-up may take it in the next
  v_attempts integer[];
begin
  insert into absurd.task select t.* from unnest(p_tasks) t where t.idempotency_key is null;
  if not exists (select from unnest(p_tasks) t where t.idempotency_key is not null) then
    return query select t.ordinality::integer, t.task_id, 1, true from unnest(p_tasks) with ordinality t order by 1;
    return;
  end if;
  for v_try in 1 .. 10 loop
    -- keys in one order for everybody, so that two callers with the same keys do not deadlock
    insert into absurd.task select t.* from unnest(p_tasks) t
    where t.idempotency_key is not null order by t.queue_name, t.idempotency_key, t.task_id
    on conflict do nothing;
    select array_agg(case when t.idempotency_key is null then t.task_id else k.task_id end order by t.ordinality),
           array_agg(coalesce(k.attempt, 1) order by t.ordinality)
    into v_ids, v_attempts
    from unnest(p_tasks) with ordinality t
    left join lateral (
      select o.task_id, o.attempt from absurd.task o
      where t.idempotency_key is not null and o.queue_name = t.queue_name and o.idempotency_key = t.idempotency_key) k on true;
    exit when array_position(v_ids, null) is null;
  end loop;
  if array_position(v_ids, null) is not null then
    -- each time the key was there for the insert and gone for the select
    raise exception 'idempotency keys of % tasks were concurrently cleaned up', cardinality(array_positions(v_ids, null))
      using errcode = '40001', hint = 'Retry with the same idempotency keys.';
  end if;
  return query
    select t.ordinality::integer, v_ids[t.ordinality], v_attempts[t.ordinality], v_ids[t.ordinality] = t.task_id
    from unnest(p_tasks) with ordinality t
    order by 1;
end
$$;
