-- What claim_task does for others first. Everything is bounded, and skips what another session holds.

-- _to_sweep: is there anything of it? Nearly always not. In SQL and without settings, so that it becomes part of the statement that asks.
create or replace function absurd._to_sweep(p_queue_name text, p_now timestamptz)
returns table (left_over boolean, cancellations boolean, leases boolean)
language sql stable
as $$
  select exists (select from absurd.follow_up),
         exists (select from absurd.task t where t.queue_name = p_queue_name and t.cancel_at is not null and t.cancel_at <= p_now
                 and t.state in ('pending', 'sleeping', 'running')),
         exists (select from absurd.task t where t.queue_name = p_queue_name and t.state = 'running' and t.claim_expires_at <= p_now)
$$;

-- _due_cancellations: locked tasks whose cancellation rule has come, oldest first.
create or replace function absurd._due_cancellations(p_queue_name text, p_now timestamptz) returns table (task_id uuid)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select t.task_id from absurd.task t
    where t.queue_name = p_queue_name and t.cancel_at is not null and t.cancel_at <= p_now
      and t.state in ('pending', 'sleeping', 'running')
    order by t.cancel_at, t.task_id
    limit 100
    for no key update skip locked;
end
$$;

-- _expired_claims: locked running tasks whose lease has run out, oldest first.
create or replace function absurd._expired_claims(p_queue_name text, p_now timestamptz) returns table (task_id uuid, run_id uuid)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select t.task_id, absurd.run_id_of(t.task_id, t.attempt) from absurd.task t
    where t.queue_name = p_queue_name and t.state = 'running' and t.claim_expires_at <= p_now
    order by t.claim_expires_at, t.task_id
    limit 100
    for no key update skip locked;
end
$$;

-- _recover: fail_run for an expired lease. One row that it cannot handle fails for good, and harms only itself. The server's own
-- trouble (a deadlock, a lock's time-out, a full disk) is not the row's: its lease stays expired, and the next claim tries again.
create or replace function absurd._recover(p_queue_name text, p_run_id uuid, p_task_id uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reason jsonb;
begin
  if not exists (select from absurd.task t where t.task_id = p_task_id and t.state = 'running') then
    return;   -- another recovery of this sweep, its parent's, has cancelled it
  end if;
  v_reason := absurd._claim_timeout_reason(p_task_id);
  perform absurd.fail_run(p_queue_name, p_run_id, v_reason);
exception when others then
  if sqlstate ~ '^(40|53|55|57|58|XX)' then
    return;
  end if;
  v_reason := v_reason || jsonb_build_object('recovery', sqlerrm);
  update absurd.task t
  set state = 'failed', move_event = 'run.failed', error = v_reason, move_detail = jsonb_build_object('reason', v_reason)
  where t.task_id = p_task_id;
end
$$;

-- _claim_timeout_reason: the reason of an expired lease, in absurd's words.
create or replace function absurd._claim_timeout_reason(p_task_id uuid) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'name', '$ClaimTimeout', 'message', 'worker did not finish task within claim interval',
    'workerId', t.claimed_by, 'claimExpiredAt', t.claim_expires_at, 'attempt', t.attempt))
  from absurd.task t where t.task_id = p_task_id
$$;

-- _cancel_by_rule: cancel a locked task because a rule says so; which one is computed once more under the lock.
create or replace function absurd._cancel_by_rule(p_task_id uuid, p_now timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reason jsonb;
begin
  select absurd._cancel_reason(
    case when t.deadline <= p_now then 'deadline' when t.first_started_at is null then 'max_delay' else 'max_duration' end, null)
  into v_reason from absurd.task t where t.task_id = p_task_id;
  update absurd.task t
  set state = 'cancelled', move_event = 'task.cancelled', error = v_reason, move_detail = jsonb_build_object('reason', v_reason)
  where t.task_id = p_task_id and t.state in ('pending', 'sleeping', 'running') and t.cancel_at <= p_now;
end
$$;

-- _follow_up: do what others had to leave because its row was held.
create or replace function absurd._follow_up(p_now timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_left record;
begin
  for v_left in
    delete from absurd.follow_up f
    where f.follow_up_id = any (array(
      select o.follow_up_id from absurd.follow_up o order by o.follow_up_id limit 100 for update skip locked))
    returning f.task_id, f.kind, f.detail
  loop
    if v_left.kind = 'wake' then
      perform absurd._wake(array[v_left.task_id]);
    else
      perform from absurd.task t where t.task_id = v_left.task_id for no key update skip locked;
      if not found and exists (select from absurd.task t where t.task_id = v_left.task_id) then
        insert into absurd.follow_up (task_id, kind, detail) values (v_left.task_id, v_left.kind, v_left.detail);
        continue;
      end if;
      update absurd.task t
      set state = 'cancelled', move_event = 'task.cancelled', error = v_left.detail,
          move_detail = jsonb_build_object('reason', v_left.detail, 'parent', t.parent_task_id)
      where t.task_id = v_left.task_id and t.state in ('pending', 'sleeping', 'running');
    end if;
  end loop;
end
$$;

-- _sweep: what a claim does first, where there is something to recover.
create or replace function absurd._sweep(p_queue_name text, p_now timestamptz, p_left_over boolean, p_cancellations boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_one uuid[];
begin
  if p_left_over then
    perform absurd._follow_up(p_now);
  end if;
  if p_left_over or p_cancellations then
    for v_one in select array[t.task_id] from absurd._due_cancellations(p_queue_name, p_now) t loop
      perform absurd._cancel_by_rule(v_one[1], p_now);
    end loop;
  end if;
  for v_one in select array[t.run_id, t.task_id] from absurd._expired_claims(p_queue_name, p_now) t loop
    perform absurd._recover(p_queue_name, v_one[1], v_one[2]);
  end loop;
end
$$;
