-- enable_cron: let pg_cron clean up a queue, or all; jobs of that scope are replaced. They belong to the caller and run as the caller.
--
-- Called by  operator who may use schema cron
-- Locks      what cron.schedule locks
-- Moves      nothing; the jobs clean up
-- Raises     P0001 bad name, no such queue, no schedule, no pg_cron
-- Retry      safe: the jobs are replaced
create or replace function absurd.enable_cron(
  p_queue_name         text default null,            -- null: all queues
  p_partition_schedule text default '5 * * * *',
  p_cleanup_schedule   text default '17 * * * *',
  p_detach_schedule    text default '29 * * * *'
) returns table (job_name text, job_id bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job record;
begin
  perform absurd._named_queue(p_queue_name);
  for v_job in
    select j.kind, j.schedule from (values ('Partition', p_partition_schedule), ('Cleanup', p_cleanup_schedule),
                                           ('Detach', p_detach_schedule)) j(kind, schedule)
    where j.schedule is null or btrim(j.schedule) = ''
  loop
    raise exception '% schedule must be provided', v_job.kind using errcode = 'P0001', hint = 'For example 17 * * * *.';
  end loop;
  perform absurd._require_cron();
  for v_job in
    select j.name || absurd._cron_scope(p_queue_name) as name, j.schedule,
           format(j.command, coalesce(quote_literal(p_queue_name), 'null::text')) as command
    from (values (1, 'absurd_partitions_', p_partition_schedule, 'select absurd.ensure_partitions(%s);'),
                 (2, 'absurd_cleanup_', p_cleanup_schedule, 'select * from absurd.cleanup_all_queues(%s);'),
                 (3, 'absurd_detach_plan_', p_detach_schedule, 'select * from absurd.schedule_detach_jobs(%s);'))
         j(n, name, schedule, command)
    order by j.n
  loop
    perform cron.unschedule(j.jobid) from cron.job j where j.jobname = v_job.name;
    job_name := v_job.name;
    job_id := cron.schedule(v_job.name, v_job.schedule, v_job.command);
    return next;
  end loop;
end
$$;
