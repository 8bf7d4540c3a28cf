-- worker_sync, last: new work, and what was claimed under this call's number when its answer was lost. When there is none,
-- when the next task becomes due; and the marks from which the worker's next look may begin.
create or replace function absurd._sync_claim(
  p_request jsonb, p_qty integer, out claims json, out next_due timestamptz, out marks jsonb
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_queue    text := p_request ->> 'queue';
  v_instance uuid := absurd._uuid_option('instance', p_request -> 'instance');
  v_call     bigint := absurd._number_option('call', p_request -> 'call', 0, 9e15, true);
  v_lease    integer := absurd._number_option('claim.lease', p_request -> 'claim' -> 'lease', 1, 86400, true);
  v_ids      uuid[] := '{}';
  v_qty      integer := p_qty;
  v_before   timestamptz := absurd.current_time();
  v_began    timestamptz := clock_timestamp();
  v_idle     boolean := false;
  v_marks    jsonb;
  v_from     jsonb;
begin
  if p_request -> 'claim' -> 'marks' <> 'null' then
    v_marks := p_request -> 'claim' -> 'marks';
    v_from := absurd._valid_marks(v_marks, v_began);
  end if;
  if p_request -> 'resend' <> 'false' and absurd._flag_option('resend', p_request -> 'resend') then
    v_ids := array(
      select t.task_id from absurd.task t
      where t.queue_name = v_queue and t.state = 'running' and t.claim_instance = v_instance and t.claim_call = v_call
      order by t.task_id);
    v_qty := p_qty - cardinality(v_ids);
  elsif v_from is null and p_request -> 'ops' = '[]' then
    -- a worker that has nothing to say is idle more often than not: when nothing waits, due or not, most of a claim is for nothing
    perform from absurd.task t where t.queue_name = v_queue and t.state in ('pending', 'sleeping') order by t.priority limit 1;
    if not found then
      v_idle := absurd._is_idle(v_queue, p_request ->> 'worker', v_before);
    end if;
  end if;
  if v_qty > 0 and not v_idle then
    v_ids := v_ids || array(
      select c.task_id from absurd.claim_task(
        v_queue, p_request ->> 'worker', v_lease, v_qty, v_instance, v_call, p_request ->> 'version', v_marks, true) c
      where c.task_id <> all (v_ids));   -- one that was to be sent again, but whose lease had ended
  end if;
  marks := absurd._marks(v_queue, v_marks, v_from, v_ids, v_began);
  if v_idle then
    return;
  elsif v_ids = '{}' then
    -- after the moment before the claim, so that what becomes due between the two is in one of them
    next_due := absurd._next_due(v_queue, v_before, v_from);
    return;
  end if;
  -- Read in the statement after the one that locked: one statement has one snapshot, and would miss a checkpoint. Each task by
  -- itself: they come in the order of the ids, and no node of a plan but one has all these columns. As json, for it leaves as text: to
  -- sort the keys of an object, and to write it out again, were a tenth of a claim.
  claims := to_json(array_remove(array(
    select (
      select c
      from (
        select t.task_id, absurd.run_id_of(t.task_id, t.attempt) as run_id, t.attempt, t.task_name, t.params, t.headers, t.max_attempts,
               t.claim_epoch, t.claim_expires_at, t.wake_event, t.event_payload, t.workflow_run_id, t.parent_task_id, t.deadline,
               (select s.checkpoints from absurd._checkpoints(t.task_id) s)
        from absurd.task t
        where t.task_id = i.id   -- no other index may serve, as that of the leases would, of which many may be held
          and (t.state, t.claim_instance, t.claim_call) is not distinct from ('running', v_instance, v_call)) c)
    from unnest(v_ids) i(id)), null));   -- one that is sent again is not locked: it may be gone, or have been claimed by another worker
end
$$;

-- _is_idle: in a queue in which nothing waits, there is nothing to be swept either: a claim would do nothing.
create or replace function absurd._is_idle(p_queue_name text, p_worker_id text, p_now timestamptz) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(octet_length(p_worker_id) <= 255, false)   -- a name that claim_task refuses is left to it
           and not (s.left_over or s.cancellations or s.leases)
    from absurd._to_sweep(p_queue_name, p_now) s);
end
$$;

-- _sync_answer: each operation's own answer, by number. A brief answer leaves out those that are ok with nothing else to say.
create or replace function absurd._sync_answer(p_ops absurd.sync_op[], p_done integer[], p_brief boolean) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_agg(a.answer order by a.n), '[]')
    from (
      select d.n, jsonb_build_object('n', d.n, 'status', 'ok') as answer from unnest(p_done) d(n)
      union all
      select o.n, case
        when o.error is not null then jsonb_build_object('n', o.n, 'status', o.status, 'error', o.error, 'sqlstate', o.sqlstate)
        when o.op in ('await', 'await_task') then jsonb_build_object('n', o.n, 'status', o.status, 'outcome', o.outcome, 'payload', o.payload)
        when o.op = 'spawn' then jsonb_build_object('n', o.n, 'status', o.status, 'child', case when o.status in ('ok', 'already') then o.child end)
        when o.op = 'fail' and o.status = 'ok' then jsonb_build_object('n', o.n, 'status', o.status, 'state',
          (select t.state from absurd.task t where t.task_id = o.task_id))
        else jsonb_build_object('n', o.n, 'status', o.status)
      end
      from unnest(p_ops) o
      where not p_brief or o.status <> 'ok' or o.op in ('await', 'await_task', 'spawn', 'fail')) a);
end
$$;
