-- What may run, in the order in which it is taken, and from where on a worker has to look for it.
--
-- While somebody holds a snapshot open, a task that was taken leaves its entry in the index for good: at the head, where every
-- claim begins to read. So a worker whose look took long is told low-water marks: for each priority, from which moment on there
-- are tasks left. It sends them back with its next claim. They are used for a second at most, after which a look begins at the
-- head again: a task that came to lie before a mark, since its transaction was open for long, waits no longer than that.

-- _runnable: tasks that may run, by priority and time, locked. p_from: the marks, {priority: moment}.
create or replace function absurd._runnable(p_queue_name text, p_qty integer, p_now timestamptz, p_from jsonb) returns uuid[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_priority integer := -32769;   -- below the lowest
  v_marked   integer;
  v_from     timestamptz;
  v_more     uuid[];
  v_ids      uuid[] := '{}';
begin
  while cardinality(v_ids) < p_qty loop
    if p_from is not null then
      select m.priority, m.moment into v_marked, v_from from absurd._next_mark(p_from, v_priority) m;
    end if;
    -- the priority and its tasks in one statement: a claim is seldom about more than one
    select p.priority, array(
      select t.task_id from absurd.task t
      where t.queue_name = p_queue_name and t.state in ('pending', 'sleeping') and t.priority = p.priority
        and t.available_at between case when p.priority = v_marked then v_from else '-infinity' end and p_now
        and (t.cancel_at is null or t.cancel_at > p_now)   -- its rule ends it, at the latest in the next sweep
      order by t.available_at, t.task_id
      limit p_qty - cardinality(v_ids)
      for no key update skip locked)
    into v_priority, v_more
    from absurd._next_priority(p_queue_name, v_priority, v_marked) p;
    exit when v_priority is null;
    v_ids := v_ids || v_more;
  end loop;
  return v_ids;
end
$$;

-- _next_priority: the lowest priority in use above this one, or null. The next one with a mark counts as in use, and is not looked
-- for in the index. In SQL and without settings, so that it becomes part of the statement that asks.
create or replace function absurd._next_priority(p_queue_name text, p_above integer, p_marked integer) returns table (priority integer)
language sql stable
as $$
  select coalesce((   -- not min(): before PostgreSQL 18 that may read every row of the range
    select t.priority::integer from absurd.task t
    where t.queue_name = p_queue_name and t.state in ('pending', 'sleeping')
      and t.priority > p_above and t.priority < coalesce(p_marked, 32768)
    order by t.priority limit 1), p_marked)
  offset 0   -- once, and not again wherever the result is used
$$;

-- _next_mark: of the marks, the one of the lowest priority above this one.
create or replace function absurd._next_mark(p_from jsonb, p_above integer, out priority integer, out moment timestamptz)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  select m.key::integer, m.value::timestamptz into priority, moment
  from jsonb_each_text(p_from) m
  where m.key::integer > p_above
  order by m.key::integer limit 1;
end
$$;

-- _next_due: when the next task of a queue becomes due, if that is after the given moment. One probe of the index of what may
-- run for each priority in use, as a claim does, so that it costs the same with a hundred rows and with a million.
create or replace function absurd._next_due(p_queue_name text, p_after timestamptz, p_from jsonb) returns timestamptz
language plpgsql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off   -- nor a sort of all that may run
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  v_priority integer := -32769;   -- below the lowest
  v_marked   integer;
  v_more     timestamptz;
  v_next     timestamptz;
begin
  loop
    if p_from is not null then
      v_marked := (absurd._next_mark(p_from, v_priority)).priority;
    end if;
    select p.priority, (
      select t.available_at from absurd.task t
      where t.queue_name = p_queue_name and t.state in ('pending', 'sleeping') and t.priority = p.priority
        and t.available_at > p_after and t.available_at < 'infinity'
      order by t.available_at limit 1)
    into v_priority, v_more
    from absurd._next_priority(p_queue_name, v_priority, v_marked) p;
    exit when v_priority is null;
    v_next := least(v_next, v_more);
  end loop;
  return v_next;
end
$$;

-- _valid_marks: where to look from, {priority: moment}, while what a worker was told still holds; else null.
create or replace function absurd._valid_marks(p_marks jsonb, p_now timestamptz) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_until timestamptz;
begin
  if nullif(p_marks, 'null') is null then
    return null;
  end if;
  if jsonb_typeof(p_marks) <> 'object' or jsonb_typeof(p_marks -> 'from') is distinct from 'object'
     or exists (select from jsonb_each(p_marks -> 'from') f
                where f.key !~ '^-?\d{1,5}$' or absurd._time_option('claim.marks', f.value) is null) then
    raise exception 'claim.marks are not those of an answer: %', left(p_marks::text, 100)
      using errcode = 'TW301', hint = 'Send the marks of the last answer as they are, or leave them out.';
  end if;
  v_until := absurd._time_option('claim.marks', p_marks -> 'until');
  -- a clock that was set back must not make them hold for longer
  return case when v_until > p_now and v_until <= p_now + interval '1 second' then p_marks -> 'from' end;
end
$$;

-- _marks: what to tell a worker after its look, which began at p_began, at the head if p_from is null. A look that was quick is
-- not worth any. Priorities that the worker was told before, or just took from, are kept although nothing is left of them now: what
-- is left are dead entries. The server's own clock says how long a look took; a mark stands five seconds back, for transactions that
-- are not committed yet.
create or replace function absurd._marks(p_queue_name text, p_before jsonb, p_from jsonb, p_taken uuid[], p_began timestamptz) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  v_latest   timestamptz;
  v_priority integer;
  v_marked   integer;
  v_from     timestamptz;
  v_left     timestamptz;
  v_old      jsonb;
  v_new      jsonb;
begin
  if p_from is null and clock_timestamp() - p_began < interval '5 milliseconds' then
    return null;   -- nearly always, and before anything is computed
  end if;
  v_latest := absurd.current_time() - interval '5 seconds';
  v_priority := -32769;   -- below the lowest
  v_new := '{}';
  v_old := coalesce(p_from, (
    select jsonb_object_agg(k.priority, '-infinity')
    from (select f::integer from jsonb_object_keys(p_before -> 'from') f
          union select t.priority from absurd.task t where t.task_id = any (p_taken)
          union select 0) k(priority)));
  for v_count in 1 .. 100 loop   -- more are too many to tell
    select m.priority, m.moment into v_marked, v_from from absurd._next_mark(v_old, v_priority) m;
    select p.priority, (
      select t.available_at from absurd.task t
      where t.queue_name = p_queue_name and t.state in ('pending', 'sleeping') and t.priority = p.priority
        and t.available_at >= case when p.priority = v_marked then v_from else '-infinity' end
      order by t.available_at limit 1)
    into v_priority, v_left
    from absurd._next_priority(p_queue_name, v_priority, v_marked) p;
    if v_priority is null then
      return jsonb_build_object('from', v_new, 'until', case
        when p_from is null then to_jsonb(p_began + least(20 * (clock_timestamp() - p_began), interval '1 second'))
        else p_before -> 'until' end);
    end if;
    v_new := v_new || jsonb_build_object(v_priority, least(v_latest, v_left));
  end loop;
  return null;
end
$$;
