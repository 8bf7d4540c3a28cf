-- drop_detached_partition: drop a table of schema absurd that was the partition of a week; false while it is attached, or not there.
-- Tollway makes no such table: one is there when it was restored from a database of absurd's.
--
-- Called by  operator, cron jobs that absurd made
-- Locks      the table, exclusively
-- Moves      nothing
-- Raises     P0001 no name · TW304 a table of another kind · 2BP01 something depends on it
-- Retry      safe: the second call answers false
create or replace function absurd.drop_detached_partition(
  p_partition_table     text,
  p_unschedule_job_name text default null   -- absurd_drop_run_...: the cron job to remove with it, and its absurd_detach_run_...
) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_attached boolean;
begin
  if p_partition_table is null or btrim(p_partition_table) = '' then
    raise exception 'partition table must be provided' using errcode = 'P0001', hint = 'For example t_orders_627.';
  end if;
  select c.relispartition into v_attached from pg_class c
  where c.relnamespace = 'absurd'::regnamespace and c.relname = p_partition_table and c.relkind in ('r', 'p');
  if v_attached then
    return false;
  end if;
  if v_attached is not null then
    if p_partition_table !~ '^[trcw]_.+_(\d{3}|d)$' then
      raise exception 'absurd."%" is not called as the partition of a week', p_partition_table
        using errcode = 'TW304', hint = 'They are called <t, r, c or w>_<queue>_<week>, for example t_orders_627.';
    end if;
    execute format('drop table absurd.%I', p_partition_table);
  end if;
  if starts_with(p_unschedule_job_name, 'absurd_drop_run_') and absurd._cron_lacks() is null then
    perform cron.unschedule(j.jobid) from cron.job j
    where j.jobname in (p_unschedule_job_name, 'absurd_detach_run_' || substr(p_unschedule_job_name, 17));
  end if;
  return v_attached is not null;
end
$$;
