-- _new_path: the path of a call that was not made before, which is kept if nobody can have forged it.
create or replace function absurd._new_path(p_context text) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_path text := absurd._call_path(p_context);
begin
  -- the outermost frame is ours: a caller's text stands below a frame of his, so there is none in this context
  if p_context ~ '\n[^\n]*\mabsurd\.\w+\([^\n()]*\)[^\n()"]+$' then
    insert into absurd.call_path (context_md5, path) values (md5(p_context)::uuid, v_path);
  end if;
  return v_path;
end
$$;

-- Who makes this move, as the database knows it: the login role, the role set, the SQL call path. The client's own word
-- (application_name) stands beside them and is never believed for anything.
-- In SQL and without a SET clause, so that PostgreSQL puts it into the statement that writes the log, whose settings hold for it; what
-- is selected by itself is found once for all rows of that statement, which so have one moment and one path.
create or replace function absurd._actor(p_context text) returns table (
  login_role text, set_role text, application_name text, via text, incarnation integer, xid xid8, at timestamptz
)
language sql stable
as $$
  select session_user, nullif(current_setting('role'), 'none'), nullif(current_setting('application_name'), ''),
         (select coalesce((select c.path from absurd.call_path c where c.context_md5 = md5(p_context)::uuid limit 1),
                          absurd._new_path(p_context))),
         m.incarnation, pg_current_xact_id(), (select absurd.current_time())
  from absurd.schema_meta m
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
