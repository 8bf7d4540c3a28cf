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
  select session_user, nullif(current_setting('role'), 'none'), nullif(current_setting('application_name'), ''), c.path,
         m.incarnation, pg_current_xact_id(), absurd.current_time()
  into login_role, set_role, application_name, via, incarnation, xid, at
  from absurd.schema_meta m left join absurd.call_path c on c.context_md5 = v_key
  limit 1;
  if via is null then
    via := absurd._call_path(p_context);
    -- the outermost frame is ours: a caller's text stands below a frame of his, so there is none in this context
    if p_context ~ '\n[^\n]*\mabsurd\.\w+\([^\n()]*\)[^\n()"]+$' then
      insert into absurd.call_path (context_md5, path) values (v_key, via);
    end if;
  end if;
end
$$;

-- A worker that went idle registered for a NOTIFY; under load nobody did, and there is none. It is a hint, never needed.
create or replace function absurd._notify_idle(p_queue_names text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('absurd_work', q.name)
  from unnest(p_queue_names) q(name)
  where exists (select from absurd.waiter w where w.queue_name = q.name and w.until > absurd.current_time());
end
$$;
