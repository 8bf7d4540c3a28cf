-- worker_sync: everything a worker has to say since its last call, and new work, in one transaction.
--
-- Called by  worker, group-committing its tasks
-- Locks      events by name, then tasks by id, all with SKIP LOCKED: what is held elsewhere is answered busy
-- Moves      running -> completed, failed, pending, sleeping; what claim_task moves; sleeping -> pending for emitted events
-- Raises     TW301 a request that is not one · 42P01 no such queue
-- Retry      safe: the same request with "resend" answers again, claims included
create or replace function absurd.worker_sync(
  p_request jsonb   -- {"queue", "worker", "instance", "call", "resend", "version", "ops": [...], "claim": {"qty", "lease"}}
) returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_queue  absurd.queues := absurd._queue(p_request ->> 'queue', 't');
  v_locked record;
  v_ops    absurd.sync_op[];
  v_claims jsonb;
  v_qty    integer := absurd._number_option('claim.qty', p_request -> 'claim' -> 'qty', 0, 10000, true);
begin
  if p_request -> 'ops' <> '[]' then
    v_ops := absurd._sync_read(v_queue, p_request -> 'ops');
    v_locked := absurd._sync_lock(v_queue.queue_name, v_ops);
    v_ops := absurd._sync_judge(v_queue.queue_name, v_ops, v_locked.tasks, v_locked.events);
    perform absurd._sync_checkpoints(v_queue.queue_name, v_ops);
    if exists (select from unnest(v_ops) o where o.op in ('emit', 'await', 'await_task') and o.status = 'ok') then
      perform absurd._sync_emit(v_queue.queue_name, v_ops);
      v_ops := absurd._sync_await(v_queue.queue_name, v_ops);
    end if;
    perform absurd._sync_end(v_ops);
  end if;
  if v_qty > 0 then
    v_claims := absurd._sync_claim(p_request, v_qty);
  end if;
  return jsonb_build_object(
    'call', p_request -> 'call',
    'ops', absurd._sync_answer(v_ops),
    'claims', coalesce(v_claims, '[]'),
    'more', coalesce(jsonb_array_length(v_claims) >= v_qty, false),
    'now', absurd.current_time());
end
$$;
