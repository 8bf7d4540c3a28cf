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
  v_lost integer;
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
    select count(*) into v_lost from unnest(p_tasks) t
    where t.idempotency_key is not null
      and not exists (select from absurd.task k where k.queue_name = t.queue_name and k.idempotency_key = t.idempotency_key);
    exit when v_lost = 0;
  end loop;
  if v_lost > 0 then
    -- each time the key was there for the insert and gone for the select
    raise exception '% idempotency keys were concurrently cleaned up', v_lost
      using errcode = '40001', hint = 'Retry with the same idempotency keys.';
  end if;
  return query
    select t.ordinality::integer, i.id, coalesce(k.attempt, 1), i.id = t.task_id
    from unnest(p_tasks) with ordinality t
    left join lateral (
      select o.task_id, o.attempt from absurd.task o
      where t.idempotency_key is not null and o.queue_name = t.queue_name and o.idempotency_key = t.idempotency_key) k on true
    cross join lateral (select coalesce(k.task_id, t.task_id) as id) i
    order by 1;
end
$$;
