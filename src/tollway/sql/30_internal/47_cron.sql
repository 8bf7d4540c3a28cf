-- What the functions around pg_cron share. Those run as their caller, whose jobs they are, so that operators may execute these too.

-- _named_queue: null is all queues; another name must be one that a queue may have, and a queue's.
create or replace function absurd._named_queue(p_queue_name text) returns void
language plpgsql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_queue_name is null then
    return;
  end if;
  perform absurd.validate_queue_name(p_queue_name);
  if not exists (select from absurd.queues q where q.queue_name = p_queue_name) then
    raise exception 'Queue "%" does not exist', p_queue_name using errcode = 'P0001', hint = 'See absurd.list_queues.';
  end if;
end
$$;

-- _cron_lacks: what is missing of pg_cron, or null.
create or replace function absurd._cron_lacks() returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when to_regclass('cron.job') is null then 'cron.job'
    when to_regprocedure('cron.schedule(text, text, text)') is null then 'cron.schedule'
    when to_regprocedure('cron.unschedule(bigint)') is null then 'cron.unschedule' end
$$;

create or replace function absurd._require_cron() returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_missing text := absurd._cron_lacks();
begin
  if v_missing is not null then
    raise exception 'pg_cron is not available (missing %)', v_missing
      using errcode = 'P0001', hint = 'Run create extension pg_cron in this database, or call absurd.cleanup_all_queues from elsewhere.';
  end if;
end
$$;

create or replace function absurd._cron_scope(p_queue_name text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(left(md5(p_queue_name), 12), 'all')
$$;
