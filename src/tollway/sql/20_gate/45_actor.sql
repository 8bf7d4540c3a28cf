-- Who makes this move, as the database knows it: the login role, the role set, the SQL call path. The client's own word
-- (application_name) stands beside them and is never believed for anything.
create or replace function absurd._actor(
  p_context text,
  out login_role text, out set_role text, out application_name text, out via text,
  out incarnation integer, out xid xid8, out at timestamptz
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key uuid := md5(p_context)::uuid;
begin
  login_role := session_user;
  set_role := nullif(current_setting('role'), 'none');
  application_name := nullif(current_setting('application_name'), '');
  select c.path into via from absurd.call_path c where c.context_md5 = v_key limit 1;
  if not found then
    via := absurd._call_path(p_context);
    -- the outermost frame is ours: a caller's text stands below a frame of his, so there is none in this context
    if p_context ~ '\n[^\n]*\mabsurd\.\w+\([^\n()]*\)[^\n()"]+$' then
      insert into absurd.call_path (context_md5, path) values (v_key, via);
    end if;
  end if;
  select m.incarnation into incarnation from absurd.schema_meta m;
  xid := pg_current_xact_id();
  at := absurd.current_time();
end
$$;

-- A worker that went idle registered for a NOTIFY; under load nobody did, and there is none. It is a hint, never needed.
create or replace function absurd._notify_idle(p_queue_names text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from absurd.waiter) then
    return;
  end if;
  perform pg_notify('absurd_work', q.name)
  from unnest(p_queue_names) q(name)
  where exists (select from absurd.waiter w where w.queue_name = q.name and w.until > absurd.current_time());
end
$$;
