"""A task's story as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson

MOST_VALUE = 100


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
        yield from move_lines(move, began, most)
    if story["steps"]:
        yield ""
        yield "steps"
        for step in story["steps"]:
            yield step_line(step, most)
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
    yield f"params  {value_of(task['params'], most)}"
    if task["result"] is not None:
        yield f"result  {value_of(task['result'], most)}"
    if task["error"] is not None:
        yield f"error   {reason_of(task['error'])}"


def _waiting(task: dict[str, Any], waits: list[dict[str, Any]]) -> Iterator[str]:
    now: datetime = task["now"]
    if task["state"] == "running":
        yield f"runs on {task['claimed_by']} (epoch {task['claim_epoch']}), lease {when(task['claim_expires_at'], now)}"
    for wait in waits:
        target = f"event {wait['event']!r}" if wait["event"] else f"task {wait['awaited_task_id']}"
        until = f"time-out {when(wait['timeout_at'], now)}" if wait["timeout_at"] else "without a time-out"
        yield f"waits for {target}, {until}"
    if task["state"] == "sleeping" and not waits:
        yield f"sleeps, wakes {when(task['available_at'], now)}"
    if task["state"] == "pending":
        yield f"may run {when(task['available_at'], now)}"
    if task["deadline"]:
        yield f"deadline {when(task['deadline'], now)}"


def move_lines(move: dict[str, Any], began: datetime | None, most: int | None) -> Iterator[str]:
    since = span_of(move["at"] - began) if began else ""
    states = f"{move['from_state'] or 'new'} -> {move['to_state']}" if move["to_state"] else ""
    worker = f"  {move['worker']} epoch {move['claim_epoch']}" if move["worker"] else f"  {move['login_role']}"
    yield f"  {move['seq']:>3}  +{since:<9} {move['event']:<15} {states:<22} attempt {move['attempt']}  via {move['via']}{worker}"
    if move["detail"]:
        yield f"       {value_of(_without_traceback(move['detail']), most)}"


def step_line(step: dict[str, Any], most: int | None) -> str:
    took = f"{step['duration_ms']:.1f} ms" if step["duration_ms"] is not None else "-"
    value = "timed out" if step["status"] == "timed_out" else value_of(step["state"], most)
    return f"  {step['step']:<24} {took:>10}  attempt {step['attempt']} epoch {step['claim_epoch']}  {value}"


def _attempt(attempt: dict[str, Any], *, full: bool) -> Iterator[str]:
    took = ""
    if attempt["started_at"] and attempt["ended_at"]:
        took = f" in {span_of(attempt['ended_at'] - attempt['started_at'])}"
    yield f"  {attempt['attempt']}  {attempt['state']}{took}, {attempt['claimed_by'] or 'not claimed'}"
    reason = attempt["failure_reason"]
    if reason is None:
        return
    yield f"     {reason_of(reason)}"
    if isinstance(reason, dict) and reason.get("hint"):
        yield f"     hint: {reason['hint']}"
    trace = reason.get("traceback") if isinstance(reason, dict) else None
    if trace:
        lines = str(trace).rstrip().splitlines()
        shown = lines if full else lines[-6:]
        if len(shown) < len(lines):
            yield f"     ... {len(lines) - len(shown)} lines more (--full)"
        for line in shown:
            yield f"     {line}"


def reason_of(reason: Any) -> str:
    if isinstance(reason, dict) and ("message" in reason or "name" in reason):
        return f"{reason.get('name', 'failure')}: {reason.get('message', '')}"
    return value_of(reason, None)


def _without_traceback(detail: Any) -> Any:
    if isinstance(detail, dict):
        return {key: _without_traceback(value) for key, value in detail.items() if key != "traceback"}
    return detail


def value_of(value: Any, most: int | None) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if most is None or len(text) <= most else text[:most] + "..."


def when(moment: Any, now: datetime) -> str:
    if not isinstance(moment, datetime):
        return "never"
    span = moment - now
    stamp = moment.isoformat(timespec="seconds")
    return f"in {span_of(span)} ({stamp})" if span >= timedelta(0) else f"{span_of(-span)} ago ({stamp})"


def span_of(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} d"
