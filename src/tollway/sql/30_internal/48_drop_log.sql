-- What drop_log_before does in its order: which partitions go, where each task's log begins afterwards, and then they go.

-- _doomed_log_partitions: those that have only rows older than the time, locked against who still writes them. The default partition is
-- one of them when it has rows and all of them are; its bounds are theirs.
create or replace function absurd._doomed_log_partitions(p_before timestamptz) returns absurd.log_partition[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_doomed absurd.log_partition[] := '{}';
  v_part   absurd.log_partition;
  v_name   text;
begin
  select a.partition_name into v_name from absurd._log_partitions() a
  where not exists (select from absurd.log_partition p
                    where p.partition_name = a.partition_name and (p.from_at, p.to_at) is not distinct from (a.from_at, a.to_at))
  limit 1;
  if found then
    raise exception 'partition % of the log was not made by Tollway', v_name
      using errcode = 'TW104', hint = 'absurd.verify() lists what does not belong to the log: detach it first.';
  end if;
  for v_part in
    select p.* from absurd.log_partition p join absurd._log_partitions() a on a.partition_name = p.partition_name
    where p.to_at <= p_before or p.to_at is null
    order by p.from_at
  loop
    if v_part.to_at is null then
      continue when not coalesce((select max(l.at) < p_before from absurd.absurd_event_log_default l), false);
      lock table absurd.absurd_event_log_default in share mode;
      select min(l.at), max(l.at) + interval '1 microsecond' into v_part.from_at, v_part.to_at from absurd.absurd_event_log_default l;
      continue when v_part.to_at > p_before;   -- it was written until the lock was had
    else
      execute format('lock table absurd.%I in share mode', v_part.partition_name);
    end if;
    v_doomed := v_doomed || v_part;
  end loop;
  return v_doomed;
end
$$;

-- _write_log_floors: where the log of each task begins that had rows in what goes and is there still, or has later rows. A task's rows
-- are read by their index wherever they are: after a jump of the clock an older one may be in a later partition.
create or replace function absurd._write_log_floors(
  p_relids oid[], p_to timestamptz, out tasks integer, out holes integer, out floor_sum numeric
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  with top as materialized (
    select l.task_id, max(l.seq) as seq, bool_or(l.to_state = 'purged') as purged
    from absurd.absurd_event_log l
    where l.at < p_to and l.tableoid = any (p_relids)
    group by l.task_id
  ), goes as (
    select t.task_id, t.seq, coalesce(f.seq, 0) as base
    from top t left join absurd.log_floor f on f.task_id = t.task_id
    where t.seq > coalesce(f.seq, 0)
      and (not t.purged or f.task_id is not null or exists (select from absurd.task c where c.parent_task_id = t.task_id))
  ), facts as (
    select g.task_id, g.seq, g.seq - g.base as wanted, l.*
    from goes g
    cross join lateral (
      select count(*) as found, (array_agg(l.to_state order by l.seq desc))[1] as state, (array_agg(l.hash order by l.seq desc))[1] as hash,
             max(l.claim_epoch) filter (where l.event = 'run.claimed') as claim_epoch,
             (array_agg(l.attempt order by l.seq desc) filter (where l.event = 'run.claimed'))[1] as attempt,
             (array_agg(l.worker order by l.seq desc) filter (where l.event = 'run.claimed'))[1] as worker,
             min(l.at) filter (where l.event = 'run.claimed') as started_at,
             count(*) filter (where l.to_state in ('completed', 'failed', 'cancelled')) as ends,
             count(*) filter (where l.event = 'task.retried') as retries
      from absurd.absurd_event_log l
      where l.task_id = g.task_id and l.seq > g.base and l.seq <= g.seq) l
  ), written as (
    insert into absurd.log_floor as f (task_id, seq, hash, state, claim_epoch, attempt, worker, started_at, ends, retries)
    select a.task_id, a.seq, a.hash, a.state, a.claim_epoch, a.attempt, a.worker, a.started_at, a.ends, a.retries from facts a
    on conflict (task_id) do update
    set seq = excluded.seq, hash = excluded.hash, state = excluded.state, ends = f.ends + excluded.ends,
        retries = f.retries + excluded.retries, started_at = coalesce(f.started_at, excluded.started_at),
        (claim_epoch, attempt, worker) = (
          select c.claim_epoch, c.attempt, c.worker
          from (values (excluded.claim_epoch, excluded.attempt, excluded.worker), (f.claim_epoch, f.attempt, f.worker))
            c(claim_epoch, attempt, worker)
          order by c.claim_epoch desc nulls last limit 1)
  )
  select count(*), count(*) filter (where a.found <> a.wanted) into tasks, holes from facts a;
  -- nothing of these is left, and nobody asks for their end
  delete from absurd.log_floor f
  where f.state = 'purged' and not exists (select from absurd.task c where c.parent_task_id = f.task_id);
  floor_sum := absurd._log_floor_sum();
end
$$;

-- _log_floor_sum: a checksum of all floors, in whatever order they are read.
create or replace function absurd._log_floor_sum() returns numeric
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
  select coalesce(sum(('x' || left(md5(row(f.task_id, f.seq, f.hash, f.state, f.claim_epoch, f.attempt, f.worker, f.started_at,
    f.ends, f.retries)::text), 16))::bit(64)::bigint), 0)
  from absurd.log_floor f
$$;

-- _remove_log_partition: drop one, and put an empty one in the default's place. Nothing but a partition of the log has such a name.
create or replace function absurd._remove_log_partition(p_name text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('drop table absurd.%I', 'absurd_event_log_' || split_part(p_name, 'absurd_event_log_', 2));
  delete from absurd.log_partition p where p.partition_name = p_name;
  if p_name = 'absurd_event_log_default' then
    perform absurd._make_log_partition(p_name, null, null);
  end if;
end
$$;
