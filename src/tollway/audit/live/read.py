"""The catalog as statements: types, tables, views, policies, rules, routines, triggers with their switch, grants, cron jobs.

Everything goes through the same reader as files, so a live database gives the same facts as the files that made it. Each
object is a text of its own, named `live:` and its name; lines count from the object's first.
"""

from __future__ import annotations

from collections.abc import Iterator

from tollway.audit.live.connect import Connection, connect
from tollway.audit.load.code import Source

_OURS = """n.nspname !~ '^(pg_|information_schema$)' and n.nspname <> 'cron'
  and not exists (select from pg_depend x where x.classid = '{catalog}'::regclass and x.objid = {oid} and x.deptype = 'e')"""

_TYPES = f"""
select format('%I.%I', n.nspname, t.typname),
       case t.typtype
         when 'e' then format('create type %I.%I as enum (%s);', n.nspname, t.typname,
           (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid))
         else format('create domain %I.%I as %s %s;', n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod),
           (select string_agg(pg_get_constraintdef(c.oid), ' ') from pg_constraint c where c.contypid = t.oid and c.contype = 'c')) end
from pg_type t join pg_namespace n on n.oid = t.typnamespace
where t.typtype in ('e', 'd') and {_OURS.format(catalog="pg_type", oid="t.oid")}
order by 1"""

# only what decides states and cascades, or calls a function: columns with defaults, keys and checks
_TABLES = f"""
select format('%I.%I', n.nspname, c.relname),
       format('create table %I.%I (%s)%s;%s', n.nspname, c.relname,
         concat_ws(', ',
           (select string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
               case when a.attgenerated = '' then ' default ' || pg_get_expr(d.adbin, d.adrelid) end), ', ' order by a.attnum)
            from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
           (select string_agg(format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)), ', ' order by k.conname)
            from pg_constraint k
            where k.conrelid = c.oid and k.contype in ('f', 'p', 'c'))),
         (select format(' inherits (%s)', string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno))
          from pg_inherits i where i.inhrelid = c.oid and not c.relispartition having count(*) > 0),
         (select format(E'\nalter table %s attach partition %I.%I default;', i.inhparent::regclass, n.nspname, c.relname)
          from pg_inherits i where i.inhrelid = c.oid and c.relispartition))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and {_OURS.format(catalog="pg_class", oid="c.oid")}
order by c.relispartition, 1"""

_VIEWS = f"""
select format('%I.%I', n.nspname, c.relname),
       format('create %s %I.%I as %s', case c.relkind when 'v' then 'view' else 'materialized view' end,
         n.nspname, c.relname, pg_get_viewdef(c.oid))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm') and {_OURS.format(catalog="pg_class", oid="c.oid")}
order by 1"""

_RULES = f"""
select format('%I.%I rule %I', n.nspname, c.relname, r.rulename), pg_get_ruledef(r.oid)
from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
where r.rulename <> '_RETURN' and r.ev_enabled <> 'D' and {_OURS.format(catalog="pg_class", oid="c.oid")}
order by 1"""

# of the indexes only those that call something
_INDEXES = f"""
select format('%I.%I index %I', n.nspname, c.relname, x.relname), pg_get_indexdef(x.oid) || ';'
from pg_index i join pg_class x on x.oid = i.indexrelid join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
where (i.indexprs is not null or i.indpred is not null) and not x.relispartition and {_OURS.format(catalog="pg_class", oid="c.oid")}
order by 1"""

_POLICIES = f"""
select format('%I.%I policy %I', n.nspname, c.relname, p.polname),
       format('create policy %I on %I.%I', p.polname, n.nspname, c.relname)
       || coalesce(format(' using (%s)', pg_get_expr(p.polqual, p.polrelid)), '')
       || coalesce(format(' with check (%s)', pg_get_expr(p.polwithcheck, p.polrelid)), '') || ';'
from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
where {_OURS.format(catalog="pg_class", oid="c.oid")}
order by 1"""

_ROUTINES = f"""
select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), pg_get_functiondef(p.oid) || ';'
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind in ('f', 'p', 'w') and {_OURS.format(catalog="pg_proc", oid="p.oid")}
order by 1"""

_TRIGGERS = f"""
select format('%I.%I trigger %I', n.nspname, c.relname, g.tgname),
       pg_get_triggerdef(g.oid) || ';' ||
       case g.tgenabled when 'O' then '' else format(E'\nalter table %I.%I %s trigger %I;', n.nspname, c.relname,
         case g.tgenabled when 'D' then 'disable' when 'A' then 'enable always' else 'enable replica' end, g.tgname) end
from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
where not g.tgisinternal and g.tgparentid = 0 and {_OURS.format(catalog="pg_class", oid="c.oid")}
order by 1"""

_GRANTS = f"""
select format('%I.%I grants', n.nspname, c.relname),
       string_agg(format('grant %s on table %I.%I to %s;', lower(a.privilege_type), n.nspname, c.relname,
         case a.grantee when 0 then 'public' else a.grantee::regrole::text end), E'\n' order by a.grantee::regrole::text, a.privilege_type)
from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
where c.relkind in ('r', 'p', 'v') and a.grantee <> c.relowner and {_OURS.format(catalog="pg_class", oid="c.oid")}
group by n.nspname, c.relname order by 1"""

_JOBS = """
select format('cron job %s', jobid), format('select cron.schedule(%L, %L, %L);', jobid, schedule, command)
from cron.job where active order by jobid"""


def texts(dsn: str) -> list[Source]:
    """The whole schema of a database, for `read_sources`; system schemas and what extensions own are left out.

    Raises:
        AuditError: no driver, or no server.
    """
    with connect(dsn) as connection:
        return list(read(connection))


def read(connection: Connection) -> Iterator[Source]:
    """`texts`, by a connection that is there. One snapshot: a migration that runs meanwhile is seen whole or not at all.

    Inside a transaction of the caller's it sees what that one has changed.
    """
    alone = connection.info.transaction_status.name == "IDLE"
    with connection.transaction():
        if alone:
            connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local search_path = pg_catalog")  # so that every name is printed with its schema
        for query in (_TYPES, _TABLES, _INDEXES, _VIEWS, _POLICIES, _RULES, _ROUTINES, _TRIGGERS, _GRANTS, *_cron(connection)):
            for name, text in connection.execute(query).fetchall():
                yield Source(f"live:{name}", text)


def _cron(connection: Connection) -> tuple[str, ...]:
    row = connection.execute("select to_regclass('cron.job') is not null").fetchone()
    return (_JOBS,) if row and row[0] else ()
