"""Pauses inside our functions: a schedule that stops one session between two statements of a function.

In READ COMMITTED each statement has its own snapshot, so what happens between two of them is seen by the second. Every PL/pgSQL
function that locks rows is put in anew with a pause before each statement that reads or writes rows. A pause does nothing, unless the
session's setting `races.stop` names it: then it waits, once, for an advisory lock that the schedule holds.
"""

from __future__ import annotations

import re

import psycopg

from fixtures.database import Database
from races.schedule import Session

GATE = 20300101  # the advisory lock

INSTALL = f"""
create schema races;
grant usage on schema races to public;
create function races.pause(p_point text) returns boolean language plpgsql as $$
declare
  v_stop text := coalesce(current_setting('races.stop', true), '');
begin
  if v_stop = '' then
    return false;
  elsif v_stop = 'trace' then
    raise notice 'pause %', p_point;
  elsif v_stop = p_point then
    perform set_config('races.stop', '', false);
    perform pg_advisory_lock_shared({GATE});
    perform pg_advisory_unlock_shared({GATE});
  end if;
  return true;
end $$
"""
FUNCTIONS = """
select p.proname, pg_get_functiondef(p.oid)
from pg_proc p join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
where p.pronamespace = 'absurd'::regnamespace and p.prokind = 'f' and p.provolatile = 'v' and p.proname <> all (%s)
"""
# What these write stands behind the task's lock, which is held already: nobody can come between.
BEHIND_THE_LOCK = [
    "_call_path", "_actor", "_notify_idle", "_record_installed_code", "_gate_check_insert", "_gate_check_update", "_gate_project",
    "_gate_project_delete", "_workflow_run_project_delete",
    "_event_project", "_sync_checkpoints", "_sync_emit", "_sync_await", "_sync_complete", "_sync_end", "_on_move",
    "_spawn_handlers", "_log_unanswered", "_create_queue_views", "_drop_queue_views",
]  # fmt: skip
# a statement that reads or writes rows, or calls a function of ours that may
STATEMENT = re.compile(
    r"\s*(perform|select|insert|update|delete|with|lock|return query|for \w+ in|if (not )?exists|execute|\w+ := .*(absurd\.|array\(|\($))"
)
AFTER = re.compile(r"(;|\bbegin|\bloop|\belse|\bthen)\s*$")


def with_pauses(name: str, source: str) -> tuple[str, list[str]]:
    """The function with a pause before each of its statements, and the pauses' names."""
    lines, points, before, inside = [], [], "", False
    for line in source.splitlines():
        if inside and AFTER.search(before) and STATEMENT.match(line):
            points.append(f"{name}:{len(points) + 1}")
            # not PERFORM, which would change FOUND
            lines.append(f"if races.pause('{points[-1]}') then end if;")
        lines.append(line)
        code = line.split("-- ")[0].rstrip()
        if code.strip():
            inside = inside or code.strip() == "begin"
            before = code
    return "\n".join(lines), points


def install(db: Database) -> int:
    """Put all functions in with pauses; they count as the installed code. The number of pauses."""
    db.conn.execute(INSTALL)
    count = 0
    for name, source in db.rows(FUNCTIONS, BEHIND_THE_LOCK):
        text, points = with_pauses(name, source)
        if points:
            db.conn.execute(text)
        count += len(points)
    db.conn.execute("select absurd._record_installed_code()")
    return count


def passed(session: Session, query: str, *arguments: object) -> list[str]:
    """The pauses that a statement passes, each once, in order; the statement is rolled back."""
    points: dict[str, None] = {}

    def note(notice: psycopg.errors.Diagnostic) -> None:
        kind, _, point = (notice.message_primary or "").partition(" ")
        if kind == "pause":
            points[point] = None

    session.conn.add_notice_handler(note)
    session.run("begin")
    session.run("set local client_min_messages = notice")
    session.run("set local races.stop = 'trace'")
    try:
        session.run(query, *arguments)
    except psycopg.Error:
        pass  # a call that is refused passes some, too
    finally:
        session.run("rollback")
        session.conn.remove_notice_handler(note)
    return list(points)
