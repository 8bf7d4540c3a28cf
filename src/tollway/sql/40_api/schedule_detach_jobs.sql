-- schedule_detach_jobs: cron jobs that detach what list_detach_candidates names: here nothing, so none are made.
--
-- Called by  operator, cron
-- Locks      nothing
-- Moves      nothing
-- Raises     P0001 bad name, no such queue, no pg_cron
-- Retry      safe: changes nothing
create or replace function absurd.schedule_detach_jobs(
  p_queue_name text default null   -- null: all queues
) returns table (job_name text, job_id bigint, queue_name text, partition_table text, job_kind text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform absurd._named_queue(p_queue_name), absurd._require_cron();
end
$$;
