"""What a schedule came to, in a form that can be compared: answers and rows, with names in place of ids.

The clock stands still, so that all times are comparable. Left out is what may differ between two good histories: physical order,
transaction ids, the call path (a wake-up may be done by the next claim) and rows of follow_up, which a claim works off.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fixtures.database import Database
from races.actors import Actor
from races.scenes import Scene

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
QUEUE = re.compile(r'"q\d+"')
GONE = re.compile(r'"stale"|"TW201"')
WOKEN = re.compile(r'"woken": \d+')
RECORD = r'^\["{0}"|^(?!.*"task_name").*"(task_id|workflow_run_id)": "{0}"'
STATE_ALONE = r'^.*("state": "\w+").*"task_name": "{0}".*$'
ENDS = {"completed", "failed", "cancelled"}

STATE = """
with q as (select %s::text as name)
select jsonb_build_object(
  'names', (select jsonb_object_agg(t.task_id, t.task_name) from absurd.task t, q where t.queue_name = q.name),
  'queue', (select jsonb_agg(to_jsonb(o) - array['created_at']) from absurd.queues o, q where o.queue_name = q.name),
  'view', (select jsonb_agg(to_jsonb('its view'::text))
           from pg_class c, q where c.relnamespace = 'absurd'::regnamespace and c.relname = 't_' || q.name),
  'task', (select jsonb_agg(to_jsonb(t) - array['queue_name', 'log_hash'] order by t.task_name, t.task_id)
           from absurd.task t, q where t.queue_name = q.name),
  'run', (select jsonb_agg(to_jsonb(r) - array['queue_name'] order by r.task_id, r.attempt)
          from absurd.run r, q where r.queue_name = q.name),
  'checkpoint', (select jsonb_agg(to_jsonb(c) - array['queue_name'] order by c.task_id, c.checkpoint_name)
                 from absurd.checkpoint c, q where c.queue_name = q.name),
  'wait', (select jsonb_agg(to_jsonb(w) - array['queue_name'] order by w.task_id, w.step_name)
           from absurd.wait w, q where w.queue_name = q.name),
  'event', (select jsonb_agg(to_jsonb(e) - array['queue_name'] order by e.event_name)
            from absurd.event e, q where e.queue_name = q.name and e.emitted_at is not null),
  'workflow_run', (select jsonb_agg(to_jsonb(r) - array['absurd_queue'] order by r.workflow_run_id)
                   from absurd.workflow_run r, q where r.absurd_queue = q.name),
  'log', (select jsonb_agg(jsonb_build_array(l.task_id, l.seq, l.event, l.from_state, l.to_state, l.worker, l.claim_epoch, l.attempt,
                                             l.detail, l.at) order by l.task_id, l.seq, l.event)
          from absurd.absurd_event_log l, q where l.queue_name = q.name),
  'follow_up', (select jsonb_agg(f.kind) from absurd.follow_up f),
  'now', jsonb_build_array(absurd.current_time())
)::text
"""


def named(text: str, names: dict[str, str]) -> str:
    """Task ids become names, run ids names and attempts, and the queue loses its number."""

    def name(found: re.Match[str]) -> str:
        task_id = found[0][:-6] + "000000"
        known = names.get(task_id, "purged")
        return known if found[0] == task_id else f"{known}#{int(found[0][-6:], 16)}"

    return QUEUE.sub('"q"', UUID.sub(name, text))


def read(db: Database, scene: Scene) -> tuple[dict[str, Any], dict[str, str]]:
    """The rows of a scene's queue as they stand, and the names of its tasks by id."""
    rows: dict[str, Any] = json.loads(db.one(STATE, scene.queue))
    names = {**{str(t.task_id): n for n, t in scene.tasks.items()}, **(rows.pop("names") or {})}
    return rows, names


def comparable(rows: dict[str, Any], names: dict[str, str]) -> dict[str, list[str]]:
    """Rows as sorted texts with names, so that two databases with other ids can be equal."""
    return {
        table: sorted(named(json.dumps(row, sort_keys=True), names) for row in found or [])
        for table, found in rows.items()
        if table not in ("follow_up", "now")
    }


def excused(calls: dict[str, tuple[Actor, ...]], have: Any) -> Any:
    """The outcome without what need not be as in a serial order.

    How many an emission by worker_sync woke at once: it skips a task that is held, which the next claim wakes.
    The way of an awaiting task that is cancelled, the parent `p` or its child `t` that awaits a brother: the end of what it awaits leaves
    the wake-up of one that is held to the next claim, which finds it over; in a serial order it was woken before, and could be claimed.
    Its state alone is compared.

    worker_sync reads its queue before it waits for a drop_queue that is at work, and its tasks after it. It answers that they are
    stale (TW201 when it is strict); one that comes later is told that there is no queue (42P01). Either says: stop, the claim is gone.
    """
    rows = have[1]
    names = {a.name for does in calls.values() for a in does}
    if any(name.startswith("sync_emit") for name in names):
        rows = {**rows, "log": [WOKEN.sub("", row) for row in rows["log"]]}
    for task in ("p", "t") if {"cancel_parent", "sync_await_task"} <= names else ("p",) if "cancel_parent" in names else ():
        rows = _by_its_state(task, rows)
        have = ({who: [_without(task, answer) for answer in given] for who, given in have[0].items()}, rows)
    if "drop_queue" not in names:
        return have[0], rows
    answers = {
        who: ['"42P01"' if calls[who][n].function == "worker_sync" and GONE.search(a) else a for n, a in enumerate(given)]
        for who, given in have[0].items()
    }
    return answers, rows


def _by_its_state(task: str, rows: dict[str, list[str]]) -> dict[str, list[str]]:
    record, state = re.compile(RECORD.format(task)), re.compile(STATE_ALONE.format(task))
    return {table: sorted(state.sub(r"\1", row) for row in found if not record.search(row)) for table, found in rows.items()}


def _without(task: str, answer: str) -> str:
    rows = json.loads(answer)
    kept = [row for row in rows if not (isinstance(row, dict) and row.get("task_name") == task)] if isinstance(rows, list) else rows
    return json.dumps(kept, sort_keys=True)


def difference(have: Any, allowed: list[Any]) -> str:
    """What is in this outcome and not in the nearest allowed one, and the other way round."""
    best: list[str] | None = None
    for other in allowed:
        lines = [f"answers {have[0]} instead of {other[0]}"] if have[0] != other[0] else []
        for table, rows in have[1].items():
            lines += [f"+ {table} {r}" for r in rows if r not in other[1][table]]
            lines += [f"- {table} {r}" for r in other[1][table] if r not in rows]
        if best is None or len(lines) < len(best):
            best = lines
    return "\n".join(best or [])


def problems(rows: dict[str, Any]) -> list[str]:
    """What no history may end with, once a worker has claimed all that was due; told without verify()."""
    found = [f"left for a claim that has come: {kind}" for kind in rows["follow_up"] or []]
    tasks = {t["task_id"]: t for t in rows["task"] or []}
    emitted = {e["event_name"] for e in rows["event"] or []}
    (now,) = rows["now"]
    for t in tasks.values():
        if t["state"] in ("pending", "sleeping") and t["available_at"] not in ("infinity",) and t["available_at"] <= now:
            found.append(f"{t['task_name']} is due and was not claimed")
    for w in rows["wait"] or []:
        awaited = tasks.get(w["awaited_task_id"])
        if w["event_name"] in emitted or (w["awaited_task_id"] and (awaited is None or awaited["state"] in ENDS)):
            found.append(f"lost wake-up: {tasks[w['task_id']]['task_name']} sleeps on what has happened")
    ended: dict[str, str] = {}
    for task_id, _, event, _, to_state, *_ in rows["log"] or []:
        if to_state in ENDS:
            if task_id in ended:
                found.append(f"{task_id} ended twice: {ended[task_id]}, then {to_state}")
            ended[task_id] = to_state
        elif event == "task.retried":
            ended.pop(task_id, None)
    return found
