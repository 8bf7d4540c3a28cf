-- worker_sync: everything a worker has to say since its last call, and new work, in one transaction.
--
-- Called by  worker, group-committing its tasks
-- Locks      events by name, then tasks by id, then the queues of new children, all with SKIP LOCKED: what is held elsewhere
--            is answered busy. A strict call waits for them
-- Moves      running -> completed, failed, pending, sleeping; what claim_task moves; sleeping -> pending for emitted events;
--            new -> pending or sleeping for children
-- Raises     TW301 a request that is not one · TW304 worker name · 42P01 no such queue. A strict call, the last statement of a transaction step on the
--            user's own connection: TW201 lease lost · AB001 cancelled · TW202 the step is there · a refused operation's own code,
--            TW302, TW303 payload, TW304 name, or as spawn_task
-- Retry      safe: the same request with "resend" answers again, claims included
create or replace function absurd.worker_sync(
  p_request jsonb   -- {"queue", "worker", "instance", "call", "resend", "version", "strict", "brief", "ops": [...], "claim": {"qty", "lease"}}
) returns json
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off   -- a plan that a worker's session made while the tables were small must not scan them once they are large
set enable_material = off   -- nor keep what it read of them for a loop
set plan_cache_mode = force_generic_plan   -- a plan for these very arrays costs more than it saves
as $$
declare
  v_queue  absurd.queues := absurd._queue(p_request ->> 'queue', 't');
  v_lone   record;
  v_locked record;
  v_spawn  record;
  v_ops    absurd.sync_op[];
  v_events text[];
  v_done   integer[];   -- numbers of what was recorded the shortest way
  v_answer jsonb;
  v_claims json;
  v_next   timestamptz;
  v_marks  jsonb;
  v_strict boolean := p_request ? 'strict' and coalesce(absurd._flag_option('strict', p_request -> 'strict'), false);
  v_brief  boolean := p_request ? 'brief' and coalesce(absurd._flag_option('brief', p_request -> 'brief'), false);   -- leave out what is ok, and no more
  v_qty    integer := absurd._number_option('claim.qty', p_request -> 'claim' -> 'qty', 0, 10000, true);
  v_wakes  boolean;   -- some operation emits or waits
begin
  if nullif(p_request -> 'ops', 'null') <> '[]' then
    v_ops := absurd._sync_read(v_queue, p_request -> 'ops');
  end if;
  if v_strict then
    perform absurd._sync_check_strict(p_request, v_ops);
  end if;
  if cardinality(v_ops) > 0 then
    v_wakes := exists (select from unnest(v_ops) o where o.op in ('emit', 'await', 'await_task'));
    if v_wakes then
      v_events := absurd._sync_lock_events(v_queue.queue_name, v_ops, v_strict);
    end if;
    if not v_strict then
      v_lone := absurd._sync_lone(v_queue.queue_name, v_ops);
      v_done := v_lone.recorded;
      v_ops := v_lone.rest;
    end if;
  end if;
  if cardinality(v_ops) > 0 then
    v_locked := absurd._sync_lock(v_queue.queue_name, v_ops, v_strict);
    v_spawn := absurd._sync_children(v_ops, v_locked.tasks);
    v_ops := absurd._sync_judge(v_queue.queue_name, v_spawn.ops, v_locked.tasks, v_events, v_locked.queues);
    if v_strict then
      perform absurd._sync_raise(v_ops);
    end if;
    if v_spawn.children is not null then
      v_ops := absurd._sync_spawn(v_ops, v_spawn.children);
    end if;
    perform absurd._sync_checkpoints(v_queue.queue_name, v_ops);
    if v_wakes and exists (select from unnest(v_ops) o where o.op in ('emit', 'await', 'await_task') and o.status = 'ok') then
      perform absurd._sync_emit(v_queue.queue_name, v_ops);
      v_ops := absurd._sync_await(v_queue.queue_name, v_ops);
    end if;
    perform absurd._sync_end(v_ops);
  end if;
  -- before the claim, which may take at once what a failure has just put back
  if cardinality(v_ops) > 0 or (not v_brief and v_done is not null) then
    v_answer := absurd._sync_answer(v_ops, case when not v_brief then v_done end, v_brief);
  end if;
  if v_qty > 0 then
    select c.claims, c.next_due, c.marks into v_claims, v_next, v_marks from absurd._sync_claim(p_request, v_qty) c;
  end if;
  return json_build_object(
    'call', p_request -> 'call',
    'ops', coalesce(v_answer, '[]'),
    'claims', coalesce(v_claims, '[]'),
    'next_due', v_next,
    'more', coalesce(json_array_length(v_claims) >= v_qty, false),
    'marks', v_marks,
    'now', absurd.current_time());
end
$$;
