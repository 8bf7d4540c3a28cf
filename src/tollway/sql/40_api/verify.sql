-- verify: derive everything again and return a row for each disagreement, under the name of its invariant; empty is right.
--
-- Called by  operator, tests, monitoring
-- Locks      nothing
-- Moves      nothing
-- Raises     nothing
-- Retry      safe: reads only, in one snapshot; it reads all tasks and their log
create or replace function absurd.verify()
returns table (invariant text, queue_name text, task_id uuid, detail jsonb)
language sql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select * from absurd._verify_state()
  union all select * from absurd._verify_records()
  union all select * from absurd._verify_workflow_run()
  union all select * from absurd._verify_log()
  union all select * from absurd._verify_log_partitions()
  union all select * from absurd._verify_code()
$$;
