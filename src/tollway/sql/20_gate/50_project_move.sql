-- The gate, second half: AFTER each statement. What every move owes, in the same transaction: its log row, the ended
-- attempt, workflow_run, and whoever waits for it. It reads the new rows alone: joining old and new is quadratic.
-- Only nested loops: a cached plan made while the tables were small must not scan them once they are large.
create or replace function absurd._gate_project() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan   -- _actor would be read and planned anew with each move
as $$
declare
  v_context text;
  v_moved   integer;
  v_roots   integer;
  v_ended   integer;
  v_awake   uuid[];  v_over uuid[];  v_stopped uuid[];
  v_queues  text[];              -- of new tasks; at the end, in which something may be due now
  v_found   integer;             -- how many of those are there
  v_hooked  boolean;             -- somebody is to be told of moves (absurd.on_move)
  v_awaited boolean;             -- some worker is idle
begin
  if tg_op = 'INSERT' then
    v_queues := array(select distinct n.queue_name from new_rows n);
    if v_queues = '{}' then
      return null;
    end if;
    select (select count(*) from absurd.queues q where q.queue_name = any (v_queues) and not q.dropping),
           exists (select from absurd.on_move), exists (select from absurd.waiter)
    into v_found, v_hooked, v_awaited;
    if v_found < cardinality(v_queues) then
      -- judged once more here, where drop_queue can no longer come between: a spawn may have waited for its lock
      perform absurd._refuse_missing_queue(v_queues);
    end if;
  else
    select count(*), count(*) filter (where n.parent_task_id is null), count(n.ended_attempt),
           array_agg(n.task_id) filter (where n.last_state = 'sleeping'),
           array_agg(n.task_id) filter (where n.ended_at is not null),
           array_agg(n.task_id) filter (where n.state in ('cancelled', 'failed')),
           exists (select from absurd.on_move), exists (select from absurd.waiter)
    into v_moved, v_roots, v_ended, v_awake, v_over, v_stopped, v_hooked, v_awaited
    from new_rows n
    where n.moved;
    if v_moved = 0 then
      return null;
    end if;
  end if;

  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (
    queue_name, task_id, seq, workflow_run_id, run_id, attempt, claim_epoch, event, from_state, to_state, worker,
    login_role, set_role, application_name, via, detail, incarnation, xid, at)
  select n.queue_name, n.task_id, n.seq, n.workflow_run_id, absurd.run_id_of(n.task_id, l.attempt), l.attempt,
         n.claim_epoch, n.last_event, n.last_state, n.state, coalesce(n.claimed_by, n.last_worker),
         a.login_role, a.set_role, a.application_name, a.via, n.move_detail, a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a, new_rows n,
       lateral (select case when n.last_event = 'run.retried' then n.ended_attempt else n.attempt end as attempt) l
  where n.moved;

  if v_ended > 0 then
    insert into absurd.run (task_id, attempt, run_id, queue_name, state, claim_epoch, claimed_by, claim_expires_at,
      created_at, available_at, started_at, ended_at, result, failure_reason)
    select n.task_id, n.ended_attempt, absurd.run_id_of(n.task_id, n.ended_attempt), n.queue_name,
           case when n.state in ('completed', 'cancelled') then n.state else 'failed' end, n.claim_epoch,
           case when n.state <> 'cancelled' then n.last_worker end, case when n.state <> 'cancelled' then n.ended_lease end,
           n.ended_created_at, coalesce(n.ended_started_at, n.available_at), n.ended_started_at,
           coalesce(n.ended_at, n.attempt_at), n.result, n.error
    from new_rows n
    where n.moved and n.ended_attempt is not null;
  end if;
  if v_awake is not null then
    delete from absurd.wait w where w.task_id = any (v_awake);
  end if;

  if tg_op = 'INSERT' then
    insert into absurd.workflow_run (
      workflow_run_id, external_id, workflow_name, workflow_version, workflow_hash, status, absurd_queue, absurd_run_id,
      inputs, tags, created_by, attempts, created_at, updated_at)
    select n.task_id, n.headers ->> 'workflow_run_id', n.task_name, n.workflow_version, n.workflow_hash, n.state,
           n.queue_name, absurd.run_id_of(n.task_id, n.attempt), n.params, n.tags, n.created_by, n.attempt, n.enqueue_at,
           n.enqueue_at
    from new_rows n
    where n.parent_task_id is null;
  elsif v_roots > 0 then
    update absurd.workflow_run w
    set status = n.state, attempts = n.attempt,
        absurd_run_id = case when w.attempts = n.attempt then w.absurd_run_id else absurd.run_id_of(n.task_id, n.attempt) end,
        started_at = coalesce(w.started_at, n.started_at), completed_at = n.ended_at, result = n.result,
        error = case when n.state in ('failed', 'cancelled') then n.error end, updated_at = absurd.current_time()
    from new_rows n
    where n.moved and n.parent_task_id is null and w.workflow_run_id = n.task_id;
  end if;

  if v_hooked then
    perform absurd._on_move(array(
      select n.task_id from new_rows n join absurd.on_move h on h.queue_name = n.queue_name and h.to_state = n.state
      where n.moved and n.handles_task_id is null and (h.task_name is null or h.task_name = n.task_name)));
  end if;
  if v_over is not null then
    perform absurd._wake_awaiters(v_over);
  end if;
  if v_stopped is not null then
    perform absurd._cancel_children(v_stopped);
  end if;
  if v_awaited then
    v_queues := array(select distinct n.queue_name from new_rows n where n.moved and n.state = 'pending');
    perform absurd._notify_idle(v_queues);
  end if;
  return null;
end
$$;

-- _refuse_missing_queue: names the first of these queues that is not there.
create or replace function absurd._refuse_missing_queue(p_queue_names text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text;
begin
  select d.name into v_name from unnest(p_queue_names) d(name)
  where not exists (select from absurd.queues q where q.queue_name = d.name and not q.dropping)
  order by 1 limit 1;
  raise exception 'relation "absurd.t_%" does not exist', v_name
    using errcode = '42P01', hint = format('Queue "%s" does not exist; create it with absurd.create_queue.', v_name);
end
$$;
