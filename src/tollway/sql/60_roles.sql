-- Who may do what. The functions are the only way in: they are SECURITY DEFINER and belong to tollway_owner, who does not
-- log in; nobody else has any right to write a table. Internal functions can be executed by nobody else.
--
--   tollway_worker    runs tasks             tollway_operator  cancels, retries, cleans up, makes queues, repairs
--   tollway_client    starts and reads them  tollway_reader    reads everything
revoke all on all tables in schema absurd from public;
revoke all on all functions in schema absurd from public;
grant usage on schema absurd to tollway_worker, tollway_client, tollway_operator, tollway_reader;
grant select on all tables in schema absurd to tollway_reader, tollway_operator;

do $$
declare
  v_function record;
begin
  for v_function in
    select p.proname as name, p.oid::regprocedure as signature from pg_catalog.pg_proc p
    where p.pronamespace = 'absurd'::regnamespace and p.proname not like '\_%'
  loop
    execute format('grant execute on function %s to tollway_operator', v_function.signature);
    if v_function.name in ('claim_task', 'claim_tasks', 'complete_run', 'fail_run', 'schedule_run', 'extend_claim', 'heartbeat',
        'release_claims', 'record_step', 'record_steps', 'set_task_checkpoint_state', 'await_event', 'worker_sync', 'worker_idle', 'worker_busy', 'set_on_move',
        'ensure_partitions') then
      execute format('grant execute on function %s to tollway_worker', v_function.signature);
    elsif v_function.name in ('spawn_task', 'spawn_tasks', 'emit_event', 'get_task_result', 'get_task_checkpoint_state',
        'get_task_checkpoint_states', 'current_time', 'list_queues', 'get_queue_policy', 'get_schema_version', 'portable_uuidv7',
        'uuidv7_timestamp', 'uuidv7_floor', 'week_bucket_utc', 'partition_week_tag', 'retry_delay_seconds', 'validate_queue_name',
        'cancel_task', 'run_id_of', 'task_id_of') then
      execute format('grant execute on function %s to tollway_worker, tollway_client', v_function.signature);
    end if;
  end loop;
  -- called by functions that run as their caller
  grant execute on function absurd._named_queue(text), absurd._cron_lacks(), absurd._require_cron(), absurd._cron_scope(text)
    to tollway_operator;
  grant execute on function absurd.run_id_of(uuid, integer), absurd.task_id_of(uuid), absurd.current_time() to tollway_reader;
  grant execute on function absurd.verify(), absurd.list_on_move(text) to tollway_reader;
  -- they tell what a reader may select anyway, and the command line looks through them
  grant execute on function absurd.list_queues(), absurd.get_queue_policy(text), absurd.get_schema_version(),
    absurd.get_task_result(text, uuid), absurd.get_task_checkpoint_state(text, uuid, text, boolean),
    absurd.get_task_checkpoint_states(text, uuid, uuid, bigint) to tollway_reader;
end
$$;
