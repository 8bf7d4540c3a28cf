-- The partitions of the log: made ahead, a week each, guarded as the log itself is.

-- _log_partitions: those attached, with their bounds; the default partition has none.
create or replace function absurd._log_partitions() returns table (partition_name text, relid oid, from_at timestamptz, to_at timestamptz)
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'   -- bounds are printed in the session's zone and style
set datestyle = 'ISO'
as $$
  select c.relname, c.oid, (regexp_match(b.bounds, 'FROM \(''([^'']+)''\)'))[1]::timestamptz,
         (regexp_match(b.bounds, 'TO \(''([^'']+)''\)'))[1]::timestamptz
  from pg_inherits h
  join pg_class c on c.oid = h.inhrelid
  cross join lateral (select pg_get_expr(c.relpartbound, c.oid) as bounds) b
  where h.inhparent = 'absurd.absurd_event_log'::regclass
$$;

-- _guard_log_partition: a statement trigger of the log does not see who writes a partition by its own name. The beginning of the name
-- stands in the statements, so that whoever reads them knows what else they cannot be about.
create or replace function absurd._guard_log_partition(p_name text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create or replace trigger zzz_no_change before update or delete on absurd.absurd_event_log_%s
                  for each statement execute function absurd._refuse_change()', substr(p_name, 18));
  execute format('create or replace trigger zzz_no_truncate before truncate on absurd.absurd_event_log_%s
                  for each statement execute function absurd._refuse_change()', substr(p_name, 18));
  execute format('alter table absurd.%I enable always trigger zzz_no_change', p_name);
  execute format('alter table absurd.%I enable always trigger zzz_no_truncate', p_name);
end
$$;

-- _make_log_partition: a partition like the default one. Attached, not created in its place: so the log itself is not locked against
-- moves, and the default partition, which is looked through for rows that belong into the new one, only while it is.
create or replace function absurd._make_log_partition(p_name text, p_from timestamptz, p_to timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create table absurd.%I (like absurd.absurd_event_log including defaults including constraints)', p_name);
  execute format('create unique index %I on absurd.%I (task_id, seq) where task_id is not null', p_name || '_task', p_name);
  execute format('create index %I on absurd.%I using brin (log_id) with (pages_per_range = 16)', p_name || '_id', p_name);
  execute format('grant select on absurd.%I to tollway_reader, tollway_operator', p_name);
  perform absurd._guard_log_partition(p_name);
  insert into absurd.log_partition (partition_name, from_at, to_at) values (p_name, p_from, p_to);
  execute format('alter table absurd.absurd_event_log attach partition absurd.%I %s', p_name,
    case when p_from is null then 'default' else format('for values from (%L) to (%L)', p_from, p_to) end);
end
$$;

-- _ensure_log_partitions: the current week's and the next four. Where the default partition has rows of a week already, that week's stay
-- there. And a row of each is remembered, by which verify() knows that none was emptied.
create or replace function absurd._ensure_log_partitions() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_week constant interval := '168 hours';   -- whatever a day has in the session's zone
  v_this timestamptz := absurd.week_bucket_utc(absurd.current_time());
  v_from timestamptz;
  v_seen record;
begin
  for v_from in
    select w.from_at from (select v_this + n * v_week from generate_series(0, 4) n) w(from_at)
    where not exists (select from absurd.log_partition p where p.from_at = w.from_at) order by 1
  loop
    lock table absurd.log_partition in share row exclusive mode;
    continue when exists (select from absurd.log_partition p where p.from_at = v_from);   -- another session made it
    begin
      perform absurd._make_log_partition(
        'absurd_event_log_' || to_char(v_from at time zone 'UTC', 'IYYY"w"IW'), v_from, v_from + v_week);
    exception when check_violation then
      null;
    end;
  end loop;
  for v_seen in
    select p.partition_name, l.log_id from absurd.log_partition p
    cross join lateral (select l.log_id from absurd.absurd_event_log l where l.at >= p.from_at and l.at < p.to_at limit 1) l
    where p.witness is null
  loop
    update absurd.log_partition p set witness = v_seen.log_id where p.partition_name = v_seen.partition_name;
  end loop;
end
$$;
