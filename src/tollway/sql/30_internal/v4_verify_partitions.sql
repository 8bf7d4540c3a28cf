-- Invariants of the log's partitions and of what was dropped of them: nothing left but through drop_log_before, which logs it.
create or replace function absurd._verify_log_partitions()
returns table (invariant text, queue_name text, task_id uuid, detail jsonb)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select 'log_partition_is_there', null::text, null::uuid, jsonb_build_object('partition', p.partition_name, 'from', p.from_at)
  from absurd.log_partition p
  where not exists (select from absurd._log_partitions() a where a.partition_name = p.partition_name
                    and (a.from_at, a.to_at) is not distinct from (p.from_at, p.to_at))
  union all
  select 'log_partition_is_ours', null, null, jsonb_build_object('partition', a.partition_name, 'from', a.from_at)
  from absurd._log_partitions() a
  where not exists (select from absurd.log_partition p where p.partition_name = a.partition_name
                    and (p.from_at, p.to_at) is not distinct from (a.from_at, a.to_at))
  union all
  select 'log_partition_is_whole', null, null, jsonb_build_object('partition', p.partition_name, 'log_id', p.witness)
  from absurd.log_partition p
  where p.witness is not null and not exists (
    select from absurd.absurd_event_log l where l.log_id = p.witness and l.at >= p.from_at and l.at < p.to_at)
  union all
  select 'log_drop_is_logged', null, null,
         jsonb_build_object('log_starts_at', m.log_starts_at, 'floor_sum', s.now, 'logged', d.detail)
  from absurd.schema_meta m
  cross join (select absurd._log_floor_sum() as now) s
  left join (select l.detail from absurd.absurd_event_log l where l.event = 'log.dropped' order by l.log_id desc limit 1) d on true
  where (m.log_starts_at, s.now) is distinct from
        (coalesce((d.detail ->> 'log_starts_at')::timestamptz, '-infinity'), coalesce((d.detail ->> 'floor_sum')::numeric, 0))
$$;
