-- worker_sync, strict: the last statement of a transaction step, in the user's own transaction. It waits for its rows, and
-- what worker_sync answers it raises, so that the user's rows are rolled back with it.

-- _sync_check_strict: is this a request that a transaction step may make?
create or replace function absurd._sync_check_strict(p_request jsonb, p_ops absurd.sync_op[]) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_problem text;
begin
  select case
    when p_request -> 'claim' <> 'null' then 'a strict call does not claim'
    when count(distinct (o.task_id, o.epoch)) > 1 then 'a strict call has the operations of one task'
    when bool_or(o.status is null and o.op not in ('checkpoint', 'spawn', 'emit'))
      then 'a strict call has only checkpoint, spawn and emit'
    -- a wait that was registered after the transaction's snapshot would not be seen, and its task never woken
    when bool_or(o.op = 'emit') and current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
      then format('an event cannot be emitted in a %s transaction', current_setting('transaction_isolation'))
  end into v_problem
  from unnest(p_ops) o;
  if v_problem is not null then
    raise exception 'worker_sync: %', v_problem
      using errcode = 'TW301', hint = 'Send checkpoint, spawn and emit of one task, without claim, in a READ COMMITTED transaction.';
  end if;
end
$$;

-- _sync_raise: the first operation that may not happen, as an error.
create or replace function absurd._sync_raise(p_ops absurd.sync_op[]) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_op   absurd.sync_op;
  v_task absurd.task;
begin
  select o.* into v_op from unnest(p_ops) o where o.status <> 'ok' order by o.n limit 1;
  case v_op.status
    when 'refused' then
      raise exception '%', v_op.error
        using errcode = v_op.sqlstate, hint = format('Operation %s (%s) was refused; nothing of the transaction may stay.', v_op.n, v_op.op);
    when 'already', 'conflict' then
      raise exception 'step "%" of task % has a value already', v_op.step, v_op.task_id
        using errcode = 'TW202', hint = 'A checkpoint never changes: roll back, and use the saved value or another step name.';
    when 'stale', 'cancelled' then
      select * into v_task from absurd.task t where t.task_id = v_op.task_id;
      if not found then
        raise exception 'claim % of task % is lost: the task is not there', v_op.epoch, v_op.task_id
          using errcode = 'TW201', hint = 'Stop and discard the work; and name the queue of the task.';
      end if;
      perform absurd._raise_lease_lost(v_task, v_op.epoch);
    when 'busy' then
      raise exception 'task % or its queue is being changed', v_op.task_id
        using errcode = '40001', hint = 'Run the transaction again.';
    else
      null;   -- none, or all is well
  end case;
end
$$;
