"""A probe on every state table: an AFTER ROW trigger that keeps the SQL call stack of each change of state.

PG_CONTEXT has it whole, with lines, and the text of the statement as it was run, so dynamic SQL is seen as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tollway.audit.facts.states import State
from tollway.audit.live import Connection

_FRAME = re.compile(
    r'^(?:PL/pgSQL function (?P<name>.+) line (?P<line>\d+) at (?P<what>.+)|SQL function "(?P<sql>[^"]+)" statement (?P<no>\d+))$'
)
_BLOCK = re.compile(r"^PL/pgSQL function inline_code_block line \d+")

_SETUP = """
create schema tollway_audit;
create table tollway_audit.state (relation text not null, columns text[] not null);
create table tollway_audit.seen (relation text, root text, event text, context text, n bigint not null default 1);
create unique index on tollway_audit.seen (relation, event, md5(context));

create function tollway_audit.probe() returns trigger
language plpgsql security definer set search_path = pg_catalog set lc_messages = 'C'
as $probe$
declare
  v_context text;
  v_column  text;
  v_moved   boolean := tg_op <> 'UPDATE';
begin
  if tg_op = 'UPDATE' then
    foreach v_column in array tg_argv[0]::text[] loop
      v_moved := v_moved or to_jsonb(new) -> v_column is distinct from to_jsonb(old) -> v_column;
    end loop;
  end if;
  if v_moved then
    get diagnostics v_context = pg_context;
    insert into tollway_audit.seen (relation, root, event, context)
    values (format('%s.%s', tg_table_schema, tg_table_name), coalesce(pg_partition_root(tg_relid), tg_relid)::regclass::text,
            lower(tg_op), v_context)
    on conflict (relation, event, md5(context)) do update set n = seen.n + 1;
  end if;
  return null;
end
$probe$;

create function tollway_audit.put(p_table regclass) returns void
language plpgsql set search_path = pg_catalog
as $put$
declare
  v_columns text[] := array(
    select distinct a.attname::text
    from tollway_audit.state s, pg_attribute a, pg_class c, pg_namespace n
    where c.oid = p_table and n.oid = c.relnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and (n.nspname || '.' || c.relname like s.relation or c.relname like s.relation)
      and a.attrelid = c.oid and a.attname = any (s.columns));
begin
  if v_columns = '{}' then
    return;
  end if;
  execute format('create trigger zzzz_tollway_audit_probe after insert or update or delete on %s
    for each row execute function tollway_audit.probe(%L)', p_table, v_columns);
  execute format('create trigger zzzz_tollway_audit_truncate after truncate on %s
    for each statement execute function tollway_audit.probe(%L)', p_table, v_columns);
  execute format('alter table %s enable always trigger zzzz_tollway_audit_probe', p_table);
end
$put$;

create function tollway_audit.follow() returns event_trigger
language plpgsql security definer set search_path = pg_catalog
as $follow$
begin
  perform tollway_audit.put(c.objid::regclass) from pg_event_trigger_ddl_commands() c
  where c.command_tag = 'CREATE TABLE' and c.object_type = 'table';
end
$follow$;
grant usage on schema tollway_audit to public;
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of a call stack: a function and the line of its body, or the number of its statement (SQL language)."""

    function: str
    line: int = 0
    statement: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """A change of state that happened, with the stack that led to it, innermost first; `times` how often."""

    relation: str
    root: str
    event: str
    sql: str
    frames: tuple[Frame, ...]
    times: int


def put_probes(connection: Connection, states: Sequence[State]) -> list[str]:
    """Probe every table that is a state's, and those that will be made; gives the tables that have one now."""
    connection.execute(_SETUP)
    for relation in dict.fromkeys(s.relation for s in states):
        pattern = relation.replace("\\", "\\\\").replace("_", "\\_").replace("*", "%")
        columns = [s.column for s in states if s.relation == relation]
        connection.execute("insert into tollway_audit.state values (%s, %s)", (pattern, columns))
    connection.execute(
        "select tollway_audit.put(c.oid) from pg_class c where c.relkind in ('r', 'p') and c.relnamespace <> 'pg_catalog'::regnamespace"
    )
    row = connection.execute("select usesuper from pg_user where usename = current_user").fetchone()
    if row and row[0]:  # only a superuser may make one; without it, tables made later are not watched
        connection.execute("create event trigger tollway_audit_follow on ddl_command_end execute function tollway_audit.follow()")
    found = connection.execute("select tgrelid::regclass::text from pg_trigger where tgname = 'zzzz_tollway_audit_truncate' order by 1")
    return [name for (name,) in found.fetchall()]


def moves(connection: Connection) -> list[Move]:
    """What the probes saw."""
    rows = connection.execute(
        "select relation, root, event, context, n from tollway_audit.seen order by relation, event, context"
    ).fetchall()
    return [Move(relation, root, event, *_read(context), n) for relation, root, event, context, n in rows]


def _read(context: str) -> tuple[str, tuple[Frame, ...]]:
    """The innermost statement and the frames below the probe's."""
    lines = context.split("\n")[1:]
    frames = tuple(_frames(lines))
    first = next((i for i, line in enumerate(lines) if _FRAME.match(line)), len(lines))
    sql = "\n".join(lines[:first]).removeprefix('SQL statement "').removesuffix('"')
    return sql, frames


def _frames(lines: list[str]) -> Iterator[Frame]:
    for line in lines:
        found = _FRAME.match(line)
        if found is None or _BLOCK.match(line):
            continue
        if found["sql"]:
            yield Frame(found["sql"], statement=int(found["no"]))
        else:
            yield Frame(found["name"].split("(")[0].replace('"', ""), line=int(found["line"]))
