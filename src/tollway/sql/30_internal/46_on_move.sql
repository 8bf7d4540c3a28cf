-- Checks of set_on_move, and its log row.
create or replace function absurd._check_to_state(p_to_state text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_to_state is null or p_to_state not in ('pending', 'running', 'sleeping', 'completed', 'failed', 'cancelled') then
    raise exception 'to_state must be a state of a task, not %', coalesce(p_to_state, 'null')
      using errcode = 'TW301', hint = 'Give one of: pending, running, sleeping, completed, failed, cancelled.';
  end if;
end
$$;

-- _check_on_move_options: only what means the same for each move; keys, parents and fixed times are not among them.
create or replace function absurd._check_on_move_options(p_options jsonb) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text;
begin
  if jsonb_typeof(p_options) <> 'object' then
    raise exception 'options must be a JSON object, not %', jsonb_typeof(p_options)
      using errcode = 'TW301', hint = 'For example {"max_attempts": 5}.';
  end if;
  select k into v_key from jsonb_object_keys(p_options) k
  where k not in ('headers', 'retry_strategy', 'max_attempts', 'cancellation', 'delay_seconds', 'priority', 'tags',
                  'workflow_version', 'workflow_hash')
  order by k limit 1;
  if found then
    raise exception 'a task that answers a move has no option "%"', v_key
      using errcode = 'TW301', hint = 'It may have headers, retry_strategy, max_attempts, cancellation, delay_seconds, priority, tags.';
  end if;
end
$$;

create or replace function absurd._log_on_move(p_event text, p_queue_name text, p_detail jsonb) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  get diagnostics v_context = pg_context;
  insert into absurd.absurd_event_log (queue_name, event, login_role, set_role, application_name, via, detail, incarnation, xid, at)
  select p_queue_name, p_event, a.login_role, a.set_role, a.application_name, a.via, p_detail, a.incarnation, a.xid, a.at
  from absurd._actor(v_context) a;
end
$$;
