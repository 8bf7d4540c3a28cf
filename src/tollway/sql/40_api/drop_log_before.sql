-- drop_log_before: drop the partitions of the log that have only rows older than a time. First it is written down where the log of each
-- task begins that is still there: verify() goes on from that. The drop itself is a row of the log, log.dropped.
--
-- Called by  operator, in a transaction of its own
-- Locks      log_partition, then what goes against who writes it, at most three seconds waited for each; then the whole log, one second
--            waited for: moves and readers of the log wait from there to the commit
-- Moves      nothing
-- Raises     P0001 no time, not READ COMMITTED · TW301 a time to come · TW104 a partition that is not Tollway's ·
--            55P03 the log was being read or written for too long: try again
-- Retry      safe: what has gone stays gone, and the second call answers no row
create or replace function absurd.drop_log_before(
  p_before timestamptz   -- a week's partition goes when its end is not after this
) returns table (partition_name text, from_at timestamptz, to_at timestamptz, rows_dropped bigint)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
declare
  v_context text;
  v_relids  oid[];
  v_doomed  absurd.log_partition[];
  v_part    absurd.log_partition;
  v_floors  record;
  v_gone    jsonb := '[]';
  v_to      timestamptz;
begin
  if p_before is null then
    raise exception 'a time must be provided' using errcode = 'P0001', hint = 'For example now() - interval ''90 days''.';
  end if;
  if p_before > absurd.current_time() then
    raise exception 'the log cannot be dropped before %, which is still to come', p_before
      using errcode = 'TW301', hint = 'Give a time that is over, for example now() - interval ''90 days''.';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the log cannot be dropped in a % transaction', current_setting('transaction_isolation')
      using errcode = 'P0001', hint = 'Its snapshot would not show what was written meanwhile: use READ COMMITTED.';
  end if;
  lock table absurd.log_partition in share row exclusive mode;
  v_doomed := absurd._doomed_log_partitions(p_before);
  if cardinality(v_doomed) = 0 then
    return;
  end if;
  select array_agg(a.relid), max(d.to_at) into v_relids, v_to
  from unnest(v_doomed) d join absurd._log_partitions() a on a.partition_name = d.partition_name;
  select * into v_floors from absurd._write_log_floors(v_relids, v_to);
  foreach v_part in array v_doomed loop
    partition_name := v_part.partition_name;
    from_at := v_part.from_at;
    to_at := v_part.to_at;
    execute format('select count(*) from absurd.%I', partition_name) into rows_dropped;
    v_gone := v_gone || jsonb_build_object('partition', partition_name, 'from', from_at, 'to', to_at, 'rows', rows_dropped);
    return next;
  end loop;

  -- The long part is over, and only who still writes what goes had to wait for it. To drop a partition locks the log itself.
  perform set_config('lock_timeout', '1s', true);
  perform absurd._remove_log_partition(d.partition_name) from unnest(v_doomed) d;
  update absurd.schema_meta m set log_starts_at = greatest(m.log_starts_at, v_to) returning m.log_starts_at into v_to;
  perform absurd._ensure_log_partitions();

  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (event, login_role, set_role, application_name, via, detail, incarnation, xid, at)
  select 'log.dropped', a.login_role, a.set_role, a.application_name, a.via,
         jsonb_build_object('before', p_before, 'partitions', v_gone, 'log_starts_at', v_to,
           'floors', v_floors.tasks, 'holes', v_floors.holes, 'floor_sum', v_floors.floor_sum),
         a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a;
end
$$;
