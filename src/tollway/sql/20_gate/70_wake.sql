-- Wake-ups. A wake never waits for a row: what another session holds is left to the next claim's follow-up.

-- _wake: move sleeping tasks whose wait is over to pending; an event's payload becomes their checkpoint. Returns who woke.
create or replace function absurd._wake(p_task_ids uuid[]) returns uuid[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_now    timestamptz;
  v_locked uuid[];
  v_woken  uuid[];
begin
  v_locked := array(select t.task_id from absurd.task t where t.task_id = any (p_task_ids)
                    order by t.task_id for no key update skip locked);
  if cardinality(v_locked) < cardinality(p_task_ids) then
    insert into absurd.follow_up (task_id, kind)
    select i.id, 'wake' from unnest(p_task_ids) i(id) where i.id <> all (v_locked);
  end if;
  v_now := absurd.current_time();

  -- a wait that timed out first is left alone: its task is due, and takes the event when it awaits again
  insert into absurd.checkpoint (task_id, checkpoint_name, queue_name, state, attempt, claim_epoch, updated_at)
  select t.task_id, w.step_name, t.queue_name, e.payload, t.attempt, t.claim_epoch, v_now
  from absurd.task t
  join absurd.wait w on w.task_id = t.task_id
  join absurd.event e on e.queue_name = w.queue_name and e.event_name = w.event_name and e.emitted_at is not null
  where t.task_id = any (v_locked) and t.state = 'sleeping' and (w.timeout_at is null or w.timeout_at > v_now)
  on conflict do nothing;

  with woken as (
    update absurd.task t
    set state = 'pending', move_event = 'run.woken', available_at = v_now, wake_event = null, event_payload = d.payload,
        move_detail = d.detail
    from (
      select w.task_id, e.payload,
             case when w.event_name is not null then jsonb_build_object('event', w.event_name)
                  else jsonb_build_object('task', w.awaited_task_id) end as detail
      from absurd.wait w
      left join absurd.event e on e.queue_name = w.queue_name and e.event_name = w.event_name
      left join absurd.task a on a.task_id = w.awaited_task_id
      where w.task_id = any (v_locked) and (w.timeout_at is null or w.timeout_at > v_now)
        and case when w.event_name is not null then e.emitted_at is not null
                 else a.task_id is null or a.ended_at is not null end
    ) d
    where t.task_id = d.task_id and t.state = 'sleeping'
    returning t.task_id)
  select array_agg(w.task_id) into v_woken from woken w;
  return coalesce(v_woken, '{}');
end
$$;

-- _wake_awaiters: the tasks that wait for the end of these.
create or replace function absurd._wake_awaiters(p_ended uuid[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids uuid[] := array(select distinct w.task_id from absurd.wait w where w.awaited_task_id = any (p_ended));
begin
  if cardinality(v_ids) > 0 then
    perform absurd._wake(v_ids);
  end if;
end
$$;

-- _cancel_children: a task that was cancelled or failed takes its unfinished children along, unless they are detached.
create or replace function absurd._cancel_children(p_stopped uuid[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids    uuid[];
  v_locked uuid[];
begin
  v_ids := array(
    select c.task_id from absurd.task c
    where c.parent_task_id = any (p_stopped) and not c.detached and c.state in ('pending', 'sleeping', 'running'));
  if cardinality(v_ids) = 0 then
    return;
  end if;
  v_locked := array(select t.task_id from absurd.task t where t.task_id = any (v_ids)
                    order by t.task_id for no key update skip locked);
  insert into absurd.follow_up (task_id, kind, detail)
  select t.task_id, 'cancel', absurd._parent_stopped(t.parent_task_id)
  from absurd.task t where t.task_id = any (v_ids) and t.task_id <> all (v_locked);

  update absurd.task t
  set state = 'cancelled', move_event = 'task.cancelled', error = r.reason,
      move_detail = jsonb_build_object('reason', r.reason, 'parent', r.parent)
  from (select p.id as parent, absurd._parent_stopped(p.id) as reason from unnest(p_stopped) p(id)) r
  where t.task_id = any (v_locked) and t.parent_task_id = r.parent and t.state in ('pending', 'sleeping', 'running');
end
$$;

-- _cancel_reason: who and why, as it stands in workflow_run.error and in the log.
create or replace function absurd._cancel_reason(p_rule text, p_message text) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'name', '$Cancelled',
    'rule', p_rule,
    'message', coalesce(p_message, case p_rule
      when 'parent' then 'its parent was cancelled'
      when 'max_delay' then 'it did not start within max_delay'
      when 'max_duration' then 'it did not end within max_duration'
      when 'deadline' then 'its deadline passed'
      else 'cancelled on request' end),
    'by', session_user))
$$;

-- _parent_stopped: why a task's children are cancelled.
create or replace function absurd._parent_stopped(p_parent uuid) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select absurd._cancel_reason('parent', (
    select format('its parent %s failed', t.task_id) from absurd.task t where t.task_id = p_parent and t.state = 'failed'))
$$;
