"""`tollway task show ID`: everything that is recorded of one task, as a timeline."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import dict_row

from tollway.cli.output import FAILED, OK, UsageError, add_common, complain, connect, dsn_of, emit, say

DESCRIPTION = """\
Show a task: its state, every move with who made it and by which path, its steps, its attempts and what it waits for.
Exit codes: 0 shown, 1 no such task, 2 wrong usage, 3 the database could not be reached."""

TASK = """
select t.task_id, t.queue_name, t.task_name, t.state, t.attempt, t.max_attempts, t.priority,
       nullif(t.available_at, 'infinity') as available_at,
       t.claimed_by, t.claim_epoch, t.claim_expires_at, t.heartbeat_at, t.started_at, t.enqueue_at, t.ended_at,
       t.deadline, t.params, t.result, t.error, t.parent_task_id, t.workflow_run_id, t.workflow_version, t.tags,
       absurd.current_time() as now
from absurd.task t where t.task_id = %s"""
MOVES = """
select l.seq, l.at, l.event, l.from_state, l.to_state, l.attempt, l.claim_epoch, l.worker, l.via, l.login_role, l.detail
from absurd.absurd_event_log l where l.task_id = %s order by l.seq"""
STEPS = """
select c.checkpoint_name as step, c.status, c.state, c.attempt, c.claim_epoch, c.updated_at as at, c.duration_ms
from absurd.checkpoint c where c.task_id = %s order by c.updated_at, c.checkpoint_name"""
ATTEMPTS = """
select r.attempt, r.run_id, r.state, r.claimed_by, r.claim_epoch, r.started_at, r.ended_at, r.failure_reason
from absurd.run r where r.task_id = %s order by r.attempt"""
WAITS = """
select w.step_name as step, w.event_name as event, w.awaited_task_id, w.timeout_at
from absurd.wait w where w.task_id = %s order by w.step_name"""

MOST_VALUE = 100


def register(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    noun = nouns.add_parser("task", help="look at tasks")
    verbs = noun.add_subparsers(dest="verb", required=True, metavar="VERB")
    show = verbs.add_parser(
        "show",
        help="a task's timeline",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument("id", metavar="ID", help="the task's id")
    show.add_argument("--full", action="store_true", help="whole values and tracebacks")
    add_common(show)
    show.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        task_id = UUID(arguments.id)
    except ValueError:
        raise UsageError(f"{arguments.id!r} is not a task id", "ids are UUIDs, as `tollway start` prints them.") from None
    with connect(dsn_of(arguments)) as connection:
        story = read_story(connection, task_id)
    if story is None:
        complain(f"no task has the id {task_id}")
        return FAILED
    if arguments.json:
        emit(story)
        return OK
    for line in render(story, full=arguments.full):
        say(line)
    return OK


def read_story(connection: psycopg.Connection[Any], task_id: UUID) -> dict[str, Any] | None:
    """All that is recorded of a task, of one moment; None if nothing is. A purged task still has its moves."""
    # The connection is autocommit; a transaction of its own gives the five queries one snapshot.
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        task = cursor.execute(TASK, (task_id,)).fetchone()
        story = {
            "task": task,
            "moves": cursor.execute(MOVES, (task_id,)).fetchall(),
            "steps": cursor.execute(STEPS, (task_id,)).fetchall(),
            "attempts": cursor.execute(ATTEMPTS, (task_id,)).fetchall(),
            "waits": cursor.execute(WAITS, (task_id,)).fetchall(),
        }
    return story if task is not None or story["moves"] else None


def render(story: dict[str, Any], *, full: bool) -> Iterator[str]:
    """The story as lines for people."""
    most = None if full else MOST_VALUE
    task = story["task"]
    if task is None:
        yield "purged: only its moves are left"
    else:
        yield from _header(task, most)
        yield from _waiting(task, story["waits"])
    yield ""
    yield "moves"
    began = story["moves"][0]["at"] if story["moves"] else None
    for move in story["moves"]:
        yield from _move(move, began, most)
    if story["steps"]:
        yield ""
        yield "steps"
        for step in story["steps"]:
            yield _step(step, most)
    if story["attempts"]:
        yield ""
        yield "ended attempts"
        for attempt in story["attempts"]:
            yield from _attempt(attempt, full=full)


def _header(task: dict[str, Any], most: int | None) -> Iterator[str]:
    limit = f" of {task['max_attempts']}" if task["max_attempts"] else ""
    version = f" version {task['workflow_version']}" if task["workflow_version"] else ""
    yield f"{task['task_name']}{version}  {task['task_id']}"
    yield f"{task['state']}, attempt {task['attempt']}{limit}, queue {task['queue_name']}"
    if task["parent_task_id"]:
        yield f"child of {task['parent_task_id']}"
    yield f"params  {_value(task['params'], most)}"
    if task["result"] is not None:
        yield f"result  {_value(task['result'], most)}"
    if task["error"] is not None:
        yield f"error   {_reason(task['error'])}"


def _waiting(task: dict[str, Any], waits: list[dict[str, Any]]) -> Iterator[str]:
    now: datetime = task["now"]
    if task["state"] == "running":
        yield f"runs on {task['claimed_by']} (epoch {task['claim_epoch']}), lease {_when(task['claim_expires_at'], now)}"
    for wait in waits:
        target = f"event {wait['event']!r}" if wait["event"] else f"task {wait['awaited_task_id']}"
        until = f"time-out {_when(wait['timeout_at'], now)}" if wait["timeout_at"] else "without a time-out"
        yield f"waits for {target}, {until}"
    if task["state"] == "sleeping" and not waits:
        yield f"sleeps, wakes {_when(task['available_at'], now)}"
    if task["state"] == "pending":
        yield f"may run {_when(task['available_at'], now)}"
    if task["deadline"]:
        yield f"deadline {_when(task['deadline'], now)}"


def _move(move: dict[str, Any], began: datetime | None, most: int | None) -> Iterator[str]:
    since = _span(move["at"] - began) if began else ""
    states = f"{move['from_state'] or 'new'} -> {move['to_state']}" if move["to_state"] else ""
    worker = f"  {move['worker']} epoch {move['claim_epoch']}" if move["worker"] else f"  {move['login_role']}"
    yield f"  {move['seq']:>3}  +{since:<9} {move['event']:<15} {states:<22} attempt {move['attempt']}  via {move['via']}{worker}"
    if move["detail"]:
        yield f"       {_value(_without_traceback(move['detail']), most)}"


def _step(step: dict[str, Any], most: int | None) -> str:
    took = f"{step['duration_ms']:.1f} ms" if step["duration_ms"] is not None else "-"
    value = "timed out" if step["status"] == "timed_out" else _value(step["state"], most)
    return f"  {step['step']:<24} {took:>10}  attempt {step['attempt']} epoch {step['claim_epoch']}  {value}"


def _attempt(attempt: dict[str, Any], *, full: bool) -> Iterator[str]:
    took = ""
    if attempt["started_at"] and attempt["ended_at"]:
        took = f" in {_span(attempt['ended_at'] - attempt['started_at'])}"
    yield f"  {attempt['attempt']}  {attempt['state']}{took}, {attempt['claimed_by'] or 'not claimed'}"
    reason = attempt["failure_reason"]
    if reason is None:
        return
    yield f"     {_reason(reason)}"
    trace = reason.get("traceback") if isinstance(reason, dict) else None
    if trace:
        lines = str(trace).rstrip().splitlines()
        shown = lines if full else lines[-6:]
        if len(shown) < len(lines):
            yield f"     ... {len(lines) - len(shown)} lines more (--full)"
        for line in shown:
            yield f"     {line}"


def _reason(reason: Any) -> str:
    if isinstance(reason, dict) and ("message" in reason or "name" in reason):
        return f"{reason.get('name', 'failure')}: {reason.get('message', '')}"
    return _value(reason, None)


def _without_traceback(detail: Any) -> Any:
    if isinstance(detail, dict):
        return {key: _without_traceback(value) for key, value in detail.items() if key != "traceback"}
    return detail


def _value(value: Any, most: int | None) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if most is None or len(text) <= most else text[:most] + "..."


def _when(moment: Any, now: datetime) -> str:
    if not isinstance(moment, datetime):
        return "never"
    span = moment - now
    stamp = moment.isoformat(timespec="seconds")
    return f"in {_span(span)} ({stamp})" if span >= timedelta(0) else f"{_span(-span)} ago ({stamp})"


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} d"
