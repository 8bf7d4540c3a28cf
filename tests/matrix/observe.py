"""What a queue's rows say, before and after a call, and what of it is not as it was owed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from matrix.words import BY, NOW, Change, Columns, Maker, Move, Queue, Row, Run, Says, Task

# The gate's own columns: what its two halves hand to each other. The log row, checked below, is what they are for.
GATES_OWN = {
    "move_event", "move_detail", "moved", "seq", "last_event", "last_state", "last_worker", "ended_attempt", "ended_lease",
    "ended_created_at", "ended_started_at", "log_hash",
}  # fmt: skip
TERMINAL = ("completed", "failed", "cancelled")
BESIDES = ("queues", "waiter", "follow_up", "on_move")
VIEW: Columns = {
    "worker": None, "claimed_at": None, "lease_until": None, "last_heartbeat": None, "waiting_for": None, "next_wake_up": None,
    "running_for": None, "steps_done": 0, "last_step": None,
}  # fmt: skip
PLACEHOLDER: Columns = {"payload": None, "emitted_at": None}


@dataclass(frozen=True)
class Call:
    """Who made the call, as the log must tell it."""

    queue: str
    role: str
    application: str | None
    via: str
    xid: str
    ids: dict[str, Any]
    maker: str = ""


@dataclass
class Sight:
    """All rows of one queue; tasks by label."""

    tasks: dict[str, Columns]
    runs: dict[tuple[str, int], Columns]
    checkpoints: dict[tuple[str, str], Columns]
    waits: dict[str, Columns]
    events: dict[str, Any]
    workflows: dict[str, Columns]
    view: dict[str, Columns]
    log: list[Columns]
    besides: dict[str, int] = field(default_factory=dict)


def see(connection: psycopg.Connection[Any], queue: str, ids: dict[str, Any]) -> Sight:
    """Everything that a call may change. Tasks that nobody named are called new, new 2, ..."""

    def rows(table: str, where: str = "queue_name = %s", order: str = "1") -> list[Columns]:
        query = f"select to_jsonb(t) from absurd.{table} t where {where} order by {order}"
        return [row for (row,) in connection.execute(query, (queue,)).fetchall()]

    tasks = rows("task", order="task_id")
    workflows = rows("workflow_run", "absurd_queue = %s")
    labels = {task_id: label for label, task_id in ids.items()}
    for row in tasks:
        if row["task_id"] not in labels:
            labels[row["task_id"]] = f"new {len(labels)}" if "new" in ids else "new"
            ids[labels[row["task_id"]]] = row["task_id"]
    return Sight(
        tasks={labels[r["task_id"]]: {k: v for k, v in r.items() if k not in GATES_OWN} for r in tasks},
        runs={(labels[r["task_id"]], r["attempt"]): r for r in rows("run")},
        checkpoints={(labels[r["task_id"]], r["checkpoint_name"]): r for r in rows("checkpoint")},
        waits={labels[r["task_id"]]: r for r in rows("wait")},
        events={r["event_name"]: {c: r[c] for c in PLACEHOLDER} for r in rows("event")},
        workflows={labels[r["workflow_run_id"]]: r for r in workflows},
        view={labels[r["task_id"]]: r for r in rows("task_runtime_status")},
        log=rows("absurd_event_log", order="log_id"),
        besides={
            table: len(rows(table, "true or %s = ''" if table == "follow_up" else "starts_with(queue_name, %s)")) for table in BESIDES
        },
    )


def resolve(value: Any, call: Call) -> Any:
    """An expectation or an argument with the cell's own ids, roles and names."""
    match value:
        case Task():
            return str(call.ids.get(value.label))
        case Run():
            return call.ids[value.label] and _run_id(call.ids[value.label], value.attempt)
        case Maker():
            return call.maker
        case Queue():
            return call.queue + value.suffix
        case Says():
            return value.text.format(**call.ids)
        case datetime():
            return value.isoformat()
        case dict():
            return {k: resolve(v, call) for k, v in value.items()}
        case list() | tuple():
            return [resolve(v, call) for v in value]
    return call.role if value is BY else value


def _run_id(task_id: Any, attempt: int) -> str:
    return f"{str(task_id)[:30]}{attempt:06x}"


def compare(row: Row, call: Call, before: Sight, after: Sight, notified: list[str]) -> Iterator[str]:
    """Every column that is not as owed, in words; nothing when all is right."""
    changes = {change.label: change for change in row.changes}
    yield from _tasks(row, changes, call, before, after)
    yield from _workflows(row, changes, call, before, after)
    yield from _log(row, call, before, after)
    yield from _runs(row, changes, call, before, after)
    yield from _records(row, call, before, after)
    if set(notified) != ({call.queue} if row.notify else set()):
        yield f"{len(notified)} notifications, of {sorted({*notified})}, owed: {'some, of its queue' if row.notify else 'none'}"
    for table in BESIDES:
        yield from _differ(f"rows of {table}", after.besides[table], before.besides[table] + row.besides.get(table, 0))


def _differ(what: str, have: Any, want: Any) -> Iterator[str]:
    if _plain(have) != _plain(want):
        yield f"{what} is {have!r}, owed: {want!r}"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _columns(what: str, have: Columns, want: Columns) -> Iterator[str]:
    for column in have.keys() | want.keys():
        yield from _differ(f"{what}.{column}", have.get(column), want.get(column))


def _final(change: Change) -> str:
    return change.moves[-1].arrow.split(" > ")[1]


def _tasks(row: Row, changes: dict[str, Change], call: Call, before: Sight, after: Sight) -> Iterator[str]:
    for label in before.tasks.keys() | after.tasks.keys() | changes.keys():
        change = changes.get(label)
        if change and _final(change) == "purged":
            yield from _differ(f"{label} is there", label in after.tasks, False)
            continue
        have, was = after.tasks.get(label), before.tasks.get(label)
        if have is None or (was is None and change is None):
            yield f"{label}: {'the task is gone' if have is None else 'a task nobody owes'}"
            continue
        want = dict(was or {}) | resolve(row.lease if label == "task" else {}, call)
        if change:
            want |= {"state": _final(change)} | resolve(change.task, call)
        yield from _columns(label, have, want)
        yield from _view(label, row, change, call, have, before, after)


def _view(label: str, row: Row, change: Change | None, call: Call, task: Columns, before: Sight, after: Sight) -> Iterator[str]:
    seen = after.view.get(label)
    if task["state"] in TERMINAL:
        yield from _differ(f"{label} in task_runtime_status", seen is not None, False)
        return
    if seen is None:
        yield f"{label} is not in task_runtime_status"
        return
    was = before.view.get(label, VIEW)
    want = VIEW | resolve(change.view, call) if change else {k: was[k] for k in VIEW}
    if not change and label == "task":
        beaten = {"lease_until": "claim_expires_at", "last_heartbeat": "heartbeat_at"}
        want |= resolve({told: row.lease[column] for told, column in beaten.items() if column in row.lease}, call)
        want |= {"steps_done": row.steps, "last_step": "s"} if row.steps is not None else {}
    same = ("task_id", "queue_name", "task_name", "state", "attempt")
    want |= {k: task[k] for k in same} | {"run_id": _run_id(task["task_id"], task["attempt"])}
    yield from _columns(f"view of {label}", seen, want)


def _workflows(row: Row, changes: dict[str, Change], call: Call, before: Sight, after: Sight) -> Iterator[str]:
    for label in before.workflows.keys() | after.workflows.keys() | {c.label for c in row.changes if c.root}:
        change, have = changes.get(label), after.workflows.get(label)
        if label in row.forgotten:
            yield from _differ(f"workflow_run of {label} is there", have is not None, False)
            continue
        if have is None or (change and not change.root):
            yield f"{label}: workflow_run is {'missing' if have is None else 'there for a child'}"
            continue
        want = dict(before.workflows.get(label, {}))
        if change and _final(change) == "purged":
            want |= {"purged_at": NOW, "updated_at": NOW}
        elif change:
            want |= {"status": _final(change), "updated_at": NOW} | resolve(change.workflow, call)
        elif label == "task":
            want |= resolve(row.mended, call)
        yield from _columns(f"workflow_run of {label}", have, want)


def _log(row: Row, call: Call, before: Sight, after: Sight) -> Iterator[str]:
    told = after.log[len(before.log) :]
    for change in row.changes:
        task_id = call.ids.get(change.label)
        seq = sum(entry["task_id"] == task_id for entry in before.log)
        entries = [entry for entry in told if entry["task_id"] == task_id]
        yield from _differ(f"log rows of {change.label}", len(entries), len(change.moves))
        for n, (entry, move) in enumerate(zip(entries, change.moves, strict=False), 1):
            yield from _columns(f"log {n} of {change.label}", entry, _entry(change, move, seq + n, call, after, entry))
    owed = [task_id for c in row.changes if (task_id := call.ids.get(c.label))]
    for entry in told:
        if entry["task_id"] is not None and entry["task_id"] not in owed:
            yield f"log: {entry['event']} of a task that owes nothing"
    without = [entry for entry in told if entry["task_id"] is None]
    yield from _differ("log rows without a task", [e["event"] for e in without], [event for event, _ in row.logged])
    for entry, (_, detail) in zip(without, row.logged, strict=False):
        want = _by(call, entry) | {"event": entry["event"], "detail": resolve(detail, call), "via": call.via}
        want |= {"workflow_run_id": call.ids["task"]} if entry["event"] in ("repaired", "workflow.removed") else {}
        yield from _columns(f"log {entry['event']}", entry, dict.fromkeys(entry) | want)


def _by(call: Call, entry: Columns) -> Columns:
    """What each row of the log says of who wrote it, and when; its number and its place in the log are the database's."""
    return {
        "log_id": entry["log_id"], "queue_name": call.queue, "login_role": call.role, "set_role": None,
        "application_name": call.application, "incarnation": 1, "xid": call.xid, "at": NOW,
    }  # fmt: skip


def _entry(change: Change, move: Move, seq: int, call: Call, after: Sight, entry: Columns) -> Columns:
    source, target = move.arrow.split(" > ")
    task_id = call.ids[change.label]
    root = task_id if change.root else call.ids["task"]
    return _by(call, entry) | {
        "task_id": task_id, "seq": seq, "workflow_run_id": root, "run_id": _run_id(task_id, move.attempt), "attempt": move.attempt,
        "claim_epoch": move.epoch, "event": move.event, "from_state": source, "to_state": target, "worker": move.worker,
        "via": f"{call.via} > {move.via}" if move.via else call.via, "detail": resolve(move.detail, call), "prev_hash": None,
        "hash": None,
    }  # fmt: skip


def _runs(row: Row, changes: dict[str, Change], call: Call, before: Sight, after: Sight) -> Iterator[str]:
    owed = {key: value for key, value in before.runs.items() if key[0] not in row.owned}
    for change in changes.values():
        if change.run is not None:
            task_id, attempt = call.ids[change.label], change.run["attempt"]
            fixed = {"task_id": task_id, "run_id": _run_id(task_id, attempt), "queue_name": call.queue}
            owed[change.label, attempt] = fixed | resolve(change.run, call)
    yield from _differ("ended attempts", sorted(after.runs), sorted(owed))
    for key in after.runs.keys() & owed.keys():
        yield from _columns(f"run {key[1]} of {key[0]}", after.runs[key], owed[key])


def _records(row: Row, call: Call, before: Sight, after: Sight) -> Iterator[str]:
    steps = {key: value for key, value in before.checkpoints.items() if key[0] not in row.owned}
    for step, columns in row.checkpoints.items():
        fixed = {"task_id": call.ids["task"], "checkpoint_name": step, "queue_name": call.queue, "updated_at": NOW, "duration_ms": None}
        steps["task", step] = fixed | {"status": "committed", "attempt": 1, "claim_epoch": 1} | resolve(columns, call)
    yield from _differ("checkpoints", sorted(after.checkpoints), sorted(steps))
    for key in after.checkpoints.keys() & steps.keys():
        yield from _columns(f"step {key[1]} of {key[0]}", after.checkpoints[key], steps[key])
    waits = {label: wait for label, wait in before.waits.items() if row.waits.get(label) != "gone"}
    for label, wait in row.waits.items():
        if wait != "gone":
            fixed = {"task_id": call.ids[label], "queue_name": call.queue, "step_name": "s", "attempt": 1, "created_at": NOW}
            waits[label] = fixed | {"event_name": None, "awaited_task_id": None, "timeout_at": None} | resolve(wait, call)
    yield from _differ("waits", sorted(after.waits), sorted(waits))
    for label in after.waits.keys() & waits.keys():
        yield from _columns(f"wait of {label}", after.waits[label], waits[label])
    emitted = {name: PLACEHOLDER if payload is None else {"payload": payload, "emitted_at": NOW} for name, payload in row.events.items()}
    events = {name: event for name, event in (before.events | emitted).items() if row.events.get(name) != "gone"}
    yield from _differ("events", sorted(after.events), sorted(events))
    for name in after.events.keys() & events.keys():
        yield from _columns(f"event {name}", after.events[name], events[name])
