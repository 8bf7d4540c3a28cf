-- cleanup_workflow_runs: remove the workflow_runs whose tasks were purged longer ago than the given age, oldest first. Each removal is
-- a row of the log, workflow.removed. Nothing calls this by itself: they are kept until somebody says otherwise.
--
-- Called by  operator
-- Locks      workflow_run rows, with SKIP LOCKED
-- Moves      nothing
-- Raises     P0001 age · 2201W negative limit · 22004 no queue's name
-- Retry      safe: goes on where it stopped
create or replace function absurd.cleanup_workflow_runs(
  p_queue_name  text,                  -- need not be there any more: workflow_runs outlive their queue. An unknown one removes nothing
  p_ttl_seconds integer,
  p_limit       integer default 1000   -- null: no limit
) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before timestamptz;
  v_count  integer;
begin
  if p_ttl_seconds is null or p_ttl_seconds < 0 then
    raise exception 'TTL must be a non-negative number of seconds' using errcode = 'P0001', hint = 'Give seconds.';
  end if;
  if p_queue_name is null then
    raise exception 'Queue name must be provided' using errcode = '22004', hint = 'Pass the name of a queue.';
  end if;
  v_before := absurd.current_time() - make_interval(secs => p_ttl_seconds);
  delete from absurd.workflow_run w
  where w.workflow_run_id = any (array(
    select o.workflow_run_id from absurd.workflow_run o
    where o.absurd_queue = p_queue_name and o.purged_at < v_before
    order by o.purged_at, o.workflow_run_id
    limit p_limit
    for update skip locked));
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
