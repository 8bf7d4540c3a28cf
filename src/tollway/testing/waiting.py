"""What keeps a task from going on, and when something is due next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from tollway.testing.database import TestDatabase
from tollway.testing.errors import TaskStuck

# Later runs of its own workflow that a task has started, and all they start: a job that queues its next run would go on for
# ever. None before the task itself has ended.
_LATER = """
with recursive later as (
  select t.task_id from absurd.task t join absurd.task a on a.task_name = t.task_name and a.task_id <> t.task_id
  where a.task_id = %s and a.state in ('completed', 'failed', 'cancelled') and (t.parent_task_id is null or t.detached)
  union
  select t.task_id from absurd.task t join later l on l.task_id = t.parent_task_id)"""
LATER_RUNS = _LATER + " select task_id from later"
# What no worker here knows by name is nobody's: its time never comes in this test.
NEXT_DUE = (
    _LATER
    + """,
mine as (select t.* from absurd.task t where t.task_id not in (select l.task_id from later l))
select min(d.due) from (
  select t.available_at as due from mine t
  where t.state in ('pending', 'sleeping') and t.available_at < 'infinity'
    and (t.queue_name, t.task_name) in (select k.queue_name, k.task_name from unnest(%s::text[], %s::text[]) k(queue_name, task_name))
  union all
  select t.claim_expires_at from absurd.task t where t.state = 'running'
  union all
  select t.cancel_at from mine t where t.cancel_at is not null and t.state in ('pending', 'sleeping', 'running')) d"""
)
WAITED_EVENTS = """
select w.queue_name, w.event_name from absurd.wait w join absurd.task t on t.task_id = w.task_id
where t.state = 'sleeping' and w.event_name = any(%s)
  and not exists (select from absurd.event e
                  where e.queue_name = w.queue_name and e.event_name = w.event_name and e.emitted_at is not null)
order by w.created_at, w.event_name"""
# (The last step by its place in the table: on a clock that stands still, all times are one.)
# The task, what it waits for, what that waits for, ... down to whatever really does not come.
CHAIN = """
with recursive chain as (
  select t.task_id, t.task_name, t.queue_name, t.state, 0 as depth from absurd.task t where t.task_id = %s
  union
  select a.task_id, a.task_name, a.queue_name, a.state, c.depth + 1
  from chain c join absurd.wait w on w.task_id = c.task_id join absurd.task a on a.task_id = w.awaited_task_id
  where c.depth < 50)
select c.task_name, c.queue_name, c.state, w.event_name, w.timeout_at, w.awaited_task_id is not null,
       (select p.checkpoint_name from absurd.checkpoint p where p.task_id = c.task_id order by p.ctid desc limit 1)
from chain c left join absurd.wait w on w.task_id = c.task_id
order by c.depth desc"""

RUNNING = """
select t.task_name, t.queue_name, t.state, null, null, false,
       (select p.checkpoint_name from absurd.checkpoint p where p.task_id = t.task_id order by p.ctid desc limit 1)
from absurd.task t where t.state = 'running'"""

Known = Mapping[str, Sequence[str]]
"""The names of workflows that are worked off, by queue."""


def next_due(database: TestDatabase, task_id: UUID, known: Known) -> datetime | None:
    """When the next task can go on, a dead worker's lease runs out, or a deadline passes; None if none ever will.

    `task_id` is what the test is about; later runs of its workflow are none of its concern once it has ended.
    """
    pairs = [(queue, name) for queue, names in known.items() for name in names]
    due: datetime | None = database.one(NEXT_DUE, task_id, [queue for queue, _ in pairs], [name for _, name in pairs])
    return due


def later_runs(database: TestDatabase, task_id: UUID) -> set[UUID]:
    """The tasks that are later runs of an ended task's workflow, or belong to one."""
    return {later for (later,) in database.rows(LATER_RUNS, task_id)}


def waited_events(database: TestDatabase, names: Sequence[str]) -> list[tuple[str, str]]:
    """(queue, name) of the events among `names` that tasks wait for and nobody has emitted."""
    return [(queue, name) for queue, name in database.rows(WAITED_EVENTS, list(names))]


def stuck(database: TestDatabase, task_id: UUID, known: Known) -> TaskStuck:
    """The error for a task that nothing will end: it names what is really missing."""
    chain = database.rows(CHAIN, task_id)
    if not chain:
        return TaskStuck(f"there is no task {task_id} in this test's database", hint="start it with env.start.")
    name, queue, state, event, _, _, last = next((link for link in chain if link[3] is not None), chain[0])
    root = chain[-1][0]
    whose = f"workflow {root!r}" if name == root else f"workflow {root!r} waits for {name!r}, which"
    after = f", after step {last!r}" if last else ""
    if event is not None:
        return TaskStuck(
            f"{whose} waits for event {event!r}{after}, and nobody emits it",
            hint=f"call env.emit({event!r}, payload) before, or pass events={{{event!r}: payload}}.",
        )
    if name not in known.get(queue, ()):
        return TaskStuck(
            f"{whose} is {state} in queue {queue!r}, where this test works off {_listed(known.get(queue, ()))}",
            hint="bind the app that has it: env.bind(app), with queues= for queues other than the app's own.",
        )
    return TaskStuck(f"{whose} is {state}{after}, and nothing is due", hint="is another process working on this database?")


def overdue(database: TestDatabase, task_id: UUID | None, seconds: float) -> TaskStuck:
    """The error for a task (None: for any) that has not ended within the real time that the test gives it."""
    chain: list[Any] = database.rows(CHAIN, task_id) if task_id is not None else database.rows(RUNNING)
    running = next((link for link in chain if link[2] == "running"), None)
    if running is None:
        return TaskStuck(f"the task has not ended within {seconds:g} s of real time", hint="does it sleep again and again? Give timeout=.")
    after = f"the step after {running[6]!r}" if running[6] else "the code before its first recorded step"
    return TaskStuck(
        f"workflow {running[0]!r} still runs after {seconds:g} s of real time: it is in {after}",
        hint="does a body wait for something outside? A wait of the workflow itself takes no real time. Or give timeout=.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
