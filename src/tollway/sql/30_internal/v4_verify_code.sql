-- Invariants of the code: what guards the state is there, as it was installed, and switched on.

-- _code: what the schema is made of, with a checksum of each: functions, triggers, rules, policies, constraints, indexes,
-- columns, tables, views and moves. A rule or a policy needs no trigger's leave: it can lose a log row and say nothing. A queue's
-- views come and go with the queue; a table called as a partition is one that was restored from a database of absurd's.
create or replace function absurd._code() returns table (kind text, identity text, checksum text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select 'function', p.oid::regprocedure::text,
         md5(concat_ws('|', p.prosrc, p.prosecdef, p.provolatile, p.proisstrict, p.proconfig::text, p.prorettype::regtype, l.lanname,
                       pg_get_function_arguments(p.oid)))   -- a default is part of what a call does
  from pg_proc p join pg_language l on l.oid = p.prolang
  where p.pronamespace = 'absurd'::regnamespace
  union all
  select 'trigger', format('%s.%s', c.relname, g.tgname),
         md5(concat_ws('|', g.tgfoid::regprocedure, g.tgtype, g.tgattr::text, g.tgoldtable, g.tgnewtable, pg_get_expr(g.tgqual, g.tgrelid)))
  from pg_trigger g join pg_class c on c.oid = g.tgrelid
  where c.relnamespace = 'absurd'::regnamespace and c.relkind in ('r', 'p') and not g.tgisinternal
  union all
  select 'constraint', format('%s.%s', c.relname, o.conname), md5(pg_get_constraintdef(o.oid) || o.convalidated)
  from pg_constraint o join pg_class c on c.oid = o.conrelid
  where c.relnamespace = 'absurd'::regnamespace and o.contype in ('c', 'p', 'u', 'f', 'x')
  union all
  select 'index', c.relname, md5(pg_get_indexdef(c.oid) || i.indisvalid)
  from pg_index i join pg_class c on c.oid = i.indexrelid
  where c.relnamespace = 'absurd'::regnamespace
  union all
  select 'rule', format('%s.%s', c.relname, r.rulename), md5(concat_ws('|', pg_get_ruledef(r.oid), r.ev_enabled))
  from pg_rewrite r join pg_class c on c.oid = r.ev_class
  where c.relnamespace = 'absurd'::regnamespace and r.rulename <> '_RETURN'
  union all
  select 'policy', format('%s.%s', c.relname, y.polname),
         md5(concat_ws('|', y.polcmd, y.polpermissive, y.polroles::text, pg_get_expr(y.polqual, y.polrelid), pg_get_expr(y.polwithcheck, y.polrelid)))
  from pg_policy y join pg_class c on c.oid = y.polrelid
  where c.relnamespace = 'absurd'::regnamespace
  union all
  select 'table', c.relname, md5(concat_ws('|', c.relpersistence, c.relrowsecurity, c.relforcerowsecurity))
  from pg_class c
  where c.relnamespace = 'absurd'::regnamespace and c.relkind in ('r', 'p') and c.relname !~ '^[trcw]_'
  union all
  select 'column', format('%s.%s', c.relname, a.attname),
         md5(concat_ws('|', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid)))
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where c.relnamespace = 'absurd'::regnamespace and c.relkind in ('r', 'p', 'c') and c.relname !~ '^[trcw]_'
  union all
  select 'view', c.relname, md5(pg_get_viewdef(c.oid))
  from pg_class c
  where c.relnamespace = 'absurd'::regnamespace and c.relkind = 'v' and c.relname !~ '^[trcew]_'
  union all
  select 'transition', concat_ws(' > ', x.from_state, x.to_state, x.event), md5(x.who)
  from absurd.transition x
$$;

-- record_installed_code: remember the code as it is now; the installer calls it at the end of its transaction.
create or replace function absurd._record_installed_code() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from absurd.installed_code;
  delete from absurd.call_path;   -- line numbers have moved
  insert into absurd.installed_code (kind, identity, checksum) select c.kind, c.identity, c.checksum from absurd._code() c;
end
$$;

create or replace function absurd._verify_code()
returns table (invariant text, queue_name text, task_id uuid, detail jsonb)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(i.kind, c.kind) || case when c.kind is null then '_is_there' when i.kind is null then '_is_ours' else '_is_unaltered' end,
         null::text, null::uuid, jsonb_build_object('name', coalesce(i.identity, c.identity))
  from absurd.installed_code i
  full join absurd._code() c on c.kind = i.kind and c.identity = i.identity
  where i.checksum is distinct from c.checksum
  union all
  select 'trigger_is_enabled_always', null, null, jsonb_build_object('name', format('%s.%s', c.relname, g.tgname), 'enabled', g.tgenabled)
  from pg_trigger g join pg_class c on c.oid = g.tgrelid
  where c.relnamespace = 'absurd'::regnamespace and c.relkind = 'r' and not g.tgisinternal and g.tgenabled <> 'A'
    and exists (select from absurd.installed_code i where i.kind = 'trigger' and i.identity = format('%s.%s', c.relname, g.tgname))
  union all
  select 'table_has_no_partitions', null, null, jsonb_build_object('table', h.inhparent::regclass, 'partition', h.inhrelid::regclass)
  from pg_inherits h join pg_class c on c.oid = h.inhparent
  where c.relnamespace = 'absurd'::regnamespace and c.relkind = 'r'
  union all
  select 'queue_views_are_read_only', q.queue_name, null, jsonb_build_object('view', v.name)
  from absurd.queues q
  cross join lateral (select l || '_' || q.queue_name as name from unnest(array['t', 'r', 'c', 'e', 'w']) l) v
  where (select count(*) from pg_trigger g join pg_class c on c.oid = g.tgrelid
         where c.relnamespace = 'absurd'::regnamespace and c.relname = v.name and c.relkind = 'v'
           and g.tgname in ('refuse_write', 'refuse_write_row') and g.tgenabled <> 'D') <> 2
  union all
  -- who may read, and who may call what is public, is the operator's to say; to write a table, or to call from inside, is nobody's
  select 'table_is_written_by_its_owner_only', null, null,
         jsonb_build_object('table', c.relname, 'privilege', x.privilege_type, 'role', x.grantee::regrole)
  from pg_class c
  cross join lateral (select c.relacl union all
                      select a.attacl from pg_attribute a where a.attrelid = c.oid and a.attacl is not null) g(acl)
  cross join lateral aclexplode(g.acl) x
  where c.relnamespace = 'absurd'::regnamespace and c.relkind in ('r', 'p') and x.grantee <> c.relowner
    and x.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
  union all
  select 'internal_function_is_its_owners_only', null, null,
         jsonb_build_object('function', p.oid::regprocedure, 'role', x.grantee::regrole)
  from pg_proc p
  cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
  where p.pronamespace = 'absurd'::regnamespace and p.proname like '\_%' and x.grantee <> p.proowner
    and p.proname not in ('_named_queue', '_cron_lacks', '_require_cron', '_cron_scope')   -- called by functions that run as their caller
  union all
  select 'clock_is_the_databases', null, null, jsonb_build_object('test_clock', true)
  from absurd.schema_meta m where m.test_clock
$$;
