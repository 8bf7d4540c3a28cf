"""What is known about one task that stands still, of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from tollway.cli.database import one_moment

# An ALTER TABLE or drop_queue may hold the whole table; saying that beats waiting for it.
LOCK_TIMEOUT = "set local lock_timeout = '2s'"
# A row's xmax names who locks or changes it now; reading it takes no lock and no right to write.
TASK = """
select t.task_id, t.queue_name, t.task_name, t.state, t.attempt, t.max_attempts, t.priority,
       nullif(t.available_at, 'infinity') as available_at, t.claimed_by, t.claim_epoch, t.claim_expires_at, t.claimed_at,
       t.heartbeat_at, t.ended_at, t.enqueue_at, t.error, t.last_event, nullif(t.cancel_at, 'infinity') as cancel_at,
       t.cancellation, nullif(t.deadline, 'infinity') as deadline, t.parent_task_id, t.xmax::text as locker,
       absurd.current_time() as now
from absurd.task t where t.task_id = %(task)s"""
STEPS = """
select count(*) as done, (array_agg(c.checkpoint_name order by c.updated_at desc, c.checkpoint_name desc))[1] as last,
       max(c.updated_at) as last_at
from absurd.checkpoint c where c.task_id = %(task)s and c.status = 'committed'"""
WAITS = """
select w.step_name as step, w.event_name as event, w.awaited_task_id as awaited, nullif(w.timeout_at, 'infinity') as timeout_at,
       w.created_at, e.emitted_at, a.task_name as awaited_name, a.state as awaited_state, a.queue_name as awaited_queue
from absurd.wait w
left join absurd.event e on e.queue_name = w.queue_name and e.event_name = w.event_name
left join absurd.task a on a.task_id = w.awaited_task_id
where w.task_id = %(task)s order by w.step_name"""
WORKERS = """
select (select count(*) from absurd.waiter w where w.queue_name = %(queue)s and w.until > absurd.current_time()) as idle,
       (select count(distinct t.claimed_by) from absurd.task t
        where t.queue_name = %(queue)s and t.state = 'running' and t.claim_expires_at > absurd.current_time()
          and t.task_id <> %(task)s) as busy,
       (select count(*) from pg_catalog.pg_stat_activity a
        where a.datname = current_database() and a.application_name = 'tollway worker') as connected"""
# Bounded: a position beyond a thousand says no more than "more than a thousand".
AHEAD = """
select count(*) as ahead from (
  select from absurd.task t
  where t.queue_name = %(queue)s and t.state in ('pending', 'sleeping') and t.available_at <= absurd.current_time()
    and (t.priority, t.available_at, t.task_id) < (%(priority)s::smallint, %(available)s::timestamptz, %(task)s::uuid)
  limit 1001) n"""
PUT_BACKS = """
select count(*) as times, max(l.at) as last_at, (array_agg(l.worker order by l.seq desc))[1] as worker
from absurd.absurd_event_log l where l.task_id = %(task)s and l.event = 'run.put_back'"""
ENDING = """
select l.event, l.at, l.login_role, l.via, l.worker from absurd.absurd_event_log l
where l.task_id = %(task)s order by l.seq desc limit 1"""
LOCKER = """
select a.pid, a.usename, a.application_name, a.state, a.query, a.xact_start,
       extract(epoch from clock_timestamp() - a.xact_start) as open_for
from pg_catalog.pg_stat_activity a
where a.backend_xid::text = %(locker)s and a.pid <> pg_backend_pid()"""
TABLE_LOCKS = """
select a.pid, a.usename, a.application_name, a.state, a.query, a.xact_start,
       extract(epoch from clock_timestamp() - a.xact_start) as open_for,
       l.mode
from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.relation = 'absurd.task'::regclass and l.granted and l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock')
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database()) and l.pid <> pg_backend_pid()
order by a.xact_start limit 1"""
# Near in the order of names, which the primary key gives cheaply; the nearest is chosen by likeness.
NEAR_EVENTS = """
select n.event_name from (
  (select e.event_name from absurd.event e
   where e.queue_name = %(queue)s and e.event_name < %(event)s and e.emitted_at is not null order by e.event_name desc limit 50)
  union all
  (select e.event_name from absurd.event e
   where e.queue_name = %(queue)s and e.event_name > %(event)s and e.emitted_at is not null order by e.event_name limit 50)) n"""
OTHER_QUEUES = """
select e.queue_name from absurd.queues q
join absurd.event e on e.queue_name = q.queue_name and e.event_name = %(event)s and e.emitted_at is not null
where q.queue_name <> %(queue)s order by 1 limit 5"""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a sleeping task waits for: an event, or another task's end."""

    step: str
    event: str | None
    awaited: UUID | None
    timeout_at: datetime | None
    created_at: datetime
    emitted_at: datetime | None
    awaited_name: str | None
    awaited_state: str | None
    awaited_queue: str | None
    near_events: tuple[str, ...] = ()
    other_queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """A task with all that may be the reason for its standing still. `task` is None when it was purged."""

    task_id: UUID
    task: dict[str, Any] | None
    waits: tuple[Wait, ...] = ()
    steps: dict[str, Any] | None = None
    idle_workers: int = 0
    busy_workers: int = 0
    connected_workers: int = 0
    ahead: int = 0
    put_backs: dict[str, Any] | None = None
    ending: dict[str, Any] | None = None
    locker: dict[str, Any] | None = None
    table_lock: dict[str, Any] | None = None

    @property
    def row(self) -> dict[str, Any]:
        """The task's row, for reasons that apply to a task that is there."""
        assert self.task is not None
        return self.task

    @property
    def now(self) -> datetime:
        moment: datetime = self.row["now"]
        return moment

    @property
    def state(self) -> str:
        return str(self.task["state"]) if self.task is not None else "purged"

    @property
    def is_due(self) -> bool:
        """Could the next claim take it?"""
        return self.state in ("pending", "sleeping") and self.row["available_at"] is not None and self.row["available_at"] <= self.now

    @property
    def wakes_in(self) -> timedelta | None:
        """How long until its time comes, if a time was set and is not here yet."""
        if self.state not in ("pending", "sleeping") or self.row["available_at"] is None or self.is_due:
            return None
        span: timedelta = self.row["available_at"] - self.now
        return span


def read_situation(connection: psycopg.Connection[Any], task_id: UUID) -> Situation:
    """Everything of one moment. Raises: psycopg.errors.LockNotAvailable, when the whole table is locked."""
    with one_moment(connection) as cursor:
        cursor.execute(LOCK_TIMEOUT)
        task = cursor.execute(TASK, {"task": task_id}).fetchone()
        ending = cursor.execute(ENDING, {"task": task_id}).fetchone()
        if task is None:
            return Situation(task_id, None, ending=ending)
        about = {
            "task": task_id,
            "queue": task["queue_name"],
            "priority": task["priority"],
            "available": task["available_at"],
            "locker": task["locker"],
        }
        workers = _first(cursor, WORKERS, about)
        return Situation(
            task_id,
            task,
            waits=tuple(_wait(cursor, task["queue_name"], row) for row in cursor.execute(WAITS, about).fetchall()),
            steps=_first(cursor, STEPS, about),
            idle_workers=workers["idle"],
            busy_workers=workers["busy"],
            connected_workers=workers["connected"],
            ahead=_first(cursor, AHEAD, about)["ahead"],
            put_backs=_first(cursor, PUT_BACKS, about),
            ending=ending,
            locker=cursor.execute(LOCKER, about).fetchone(),
            table_lock=cursor.execute(TABLE_LOCKS).fetchone(),
        )


def read_table_lock(connection: psycopg.Connection[Any]) -> dict[str, Any] | None:
    """Who holds the whole table of tasks; asks nothing of the table itself."""
    with one_moment(connection) as cursor:
        return cursor.execute(TABLE_LOCKS).fetchone()


def _first(cursor: psycopg.Cursor[dict[str, Any]], query: Any, about: dict[str, Any]) -> dict[str, Any]:
    row = cursor.execute(query, about).fetchone()
    assert row is not None
    return row


def _wait(cursor: psycopg.Cursor[dict[str, Any]], queue: str, row: dict[str, Any]) -> Wait:
    if row["event"] is None or row["emitted_at"] is not None:
        return Wait(**row)
    about = {"queue": queue, "event": row["event"]}
    near = tuple(str(found["event_name"]) for found in cursor.execute(NEAR_EVENTS, about).fetchall())
    others = tuple(str(found["queue_name"]) for found in cursor.execute(OTHER_QUEUES, about).fetchall())
    return Wait(**row, near_events=near, other_queues=others)
