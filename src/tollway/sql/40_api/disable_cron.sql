-- disable_cron: remove the cron jobs of a queue, or those of all queues together; each scope has its own.
--
-- Called by  operator who may use schema cron; before drop_queue
-- Locks      what cron.unschedule locks
-- Moves      nothing
-- Raises     P0001 bad name, no pg_cron
-- Retry      safe: the second call removes nothing
create or replace function absurd.disable_cron(
  p_queue_name text default null   -- null: the jobs for all queues
) returns table (job_name text, job_id bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scope text := absurd._cron_scope(p_queue_name);
begin
  if p_queue_name is not null then   -- a queue that was dropped may have left its jobs behind
    perform absurd.validate_queue_name(p_queue_name);
  end if;
  perform absurd._require_cron();
  for job_name, job_id in
    select j.jobname, j.jobid from cron.job j
    where j.jobname in ('absurd_partitions_' || v_scope, 'absurd_cleanup_' || v_scope, 'absurd_detach_plan_' || v_scope)
       or starts_with(j.jobname, format('absurd_detach_run_%s_', v_scope)) or starts_with(j.jobname, format('absurd_drop_run_%s_', v_scope))
    order by 1
  loop
    perform cron.unschedule(job_id);
    return next;
  end loop;
end
$$;
