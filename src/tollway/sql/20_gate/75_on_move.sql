-- Tasks that answer a move. They are stored by the statement that moves, so what is committed is answered, once, whoever
-- moved it. A task that answers a move, and its children, fire nothing: a handler cannot start itself again.

-- _on_move: spawn the handlers of the last move of each of these tasks. What cannot be spawned is logged, and never stops the move.
create or replace function absurd._on_move(p_task_ids uuid[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_hook absurd.on_move;
begin
  if p_task_ids = '{}' then
    return;
  end if;
  begin
    perform absurd._spawn_handlers(p_task_ids, null);
    return;
  exception when others then
    -- the server's trouble is the whole transaction's: it is rolled back and tried again
    if sqlstate ~ '^(40|53|55|57|58|XX)' then
      raise;
    end if;
  end;
  -- one of them cannot be spawned: it harms only itself
  for v_hook in
    select h.* from absurd.on_move h
    where exists (select from absurd.task t where t.task_id = any (p_task_ids) and t.queue_name = h.queue_name)
    order by h.handler_queue, h.handler_task
  loop
    begin
      perform absurd._spawn_handlers(p_task_ids, v_hook);
    exception when others then
      if sqlstate ~ '^(40|53|55|57|58|XX)' then
        raise;
      end if;
      perform absurd._log_unanswered(p_task_ids, v_hook, sqlstate, sqlerrm);
    end;
  end loop;
end
$$;

-- _hooked_moves: the last moves of these tasks, with the handlers that answer them; p_hook: of one row of on_move only.
create or replace function absurd._hooked_moves(p_task_ids uuid[], p_hook absurd.on_move)
returns table (hook absurd.on_move, task absurd.task, log absurd.absurd_event_log)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select h, t, l
  from absurd.task t
  join absurd.absurd_event_log l on l.task_id = t.task_id and l.seq = t.seq
  join absurd.on_move h on h.queue_name = t.queue_name and h.to_state = t.state and (h.task_name is null or h.task_name = t.task_name)
  where t.task_id = any (p_task_ids)
    and (p_hook is null or (h.queue_name, h.to_state, h.handler_queue, h.handler_task)
         = (p_hook.queue_name, p_hook.to_state, p_hook.handler_queue, p_hook.handler_task)
         and h.task_name is not distinct from p_hook.task_name)
$$;

-- _spawn_handlers: all handlers of a statement's moves in one insert. Two rows of on_move that name one handler give one task.
create or replace function absurd._spawn_handlers(p_task_ids uuid[], p_hook absurd.on_move) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now   timestamptz := absurd.current_time();
  v_task  absurd.task;
  v_tasks absurd.task[] := '{}';
  v_move  record;
begin
  for v_move in
    select m.hook, m.task, m.log, q as queue
    from absurd._hooked_moves(p_task_ids, p_hook) m
    join absurd.queues q on q.queue_name = (m.hook).handler_queue and not q.dropping
    order by (m.hook).handler_queue, (m.log).log_id, (m.hook).handler_task
  loop
    v_task := absurd._new_task(
      v_move.queue, (v_move.hook).handler_task, absurd._move_params(v_move.task, v_move.log, (v_move.queue).max_payload_bytes),
      (v_move.hook).options || jsonb_build_object('created_by', 'on_move', 'idempotency_key',
        format('on_move:%s:%s:%s', (v_move.task).task_id, (v_move.task).seq, (v_move.hook).handler_task)),
      null, v_now);
    v_task.handles_task_id := (v_move.task).task_id;
    v_tasks := v_tasks || v_task;
  end loop;
  insert into absurd.task select t.* from unnest(v_tasks) t on conflict do nothing;
end
$$;

-- _move_params: what a handler is given: the move as the log has it, and what the task ended with. What is too large for the
-- handler's queue is left out and named in "left_out": get_task_result has it.
create or replace function absurd._move_params(p_task absurd.task, p_log absurd.absurd_event_log, p_max_bytes integer) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key   text := case when p_log.to_state = 'completed' then 'result'
                       when p_log.to_state in ('failed', 'cancelled') or p_log.event = 'run.retried' then 'error' end;
  v_value jsonb := coalesce(case when v_key = 'result' then p_task.result else p_task.error end, 'null');
  v_move  jsonb := jsonb_build_object(
    'task_id', p_log.task_id, 'queue', p_log.queue_name, 'task_name', p_task.task_name, 'from_state', p_log.from_state,
    'to_state', p_log.to_state, 'attempt', p_log.attempt, 'workflow_run_id', p_log.workflow_run_id, 'event', p_log.event,
    'seq', p_log.seq, 'at', p_log.at);
begin
  if v_key is null then
    return v_move;
  end if;
  perform absurd._check_payload('params', v_move || jsonb_build_object(v_key, v_value), p_max_bytes);
  return v_move || jsonb_build_object(v_key, v_value);
exception when sqlstate 'TW302' or sqlstate 'TW303' then
  return v_move || jsonb_build_object('left_out', v_key);
end
$$;

-- _log_unanswered: the moves that this handler does not answer, and why.
create or replace function absurd._log_unanswered(p_task_ids uuid[], p_hook absurd.on_move, p_sqlstate text, p_error text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (
    queue_name, workflow_run_id, event, login_role, set_role, application_name, via, detail, incarnation, xid, at)
  select (m.log).queue_name, (m.log).workflow_run_id, 'on_move.refused', a.login_role, a.set_role, a.application_name, a.via,
         jsonb_build_object('task_id', (m.log).task_id, 'seq', (m.log).seq, 'to_state', (m.log).to_state,
           'handler_queue', p_hook.handler_queue, 'handler_task', p_hook.handler_task, 'sqlstate', p_sqlstate, 'error', p_error),
         a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a, absurd._hooked_moves(p_task_ids, p_hook) m;
end
$$;
