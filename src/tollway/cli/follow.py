"""A task watched to its end: its moves and steps as they come."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import orjson
import psycopg

from tollway.cli.output import FAILED, OK, UsageError, complain, emit, note, say
from tollway.cli.queries.tasks import read_story
from tollway.cli.story import MOST_VALUE, move_lines, reason_of, step_line
from tollway.client import Client
from tollway.errors import AwaitTimedOut
from tollway.workflow.outcome import found_task

PERIOD = 0.2
ENDED = ("completed", "failed", "cancelled")


def watch_task(
    connection: psycopg.Connection[Any], queue: str, task_id: UUID, timeout: float | None, *, as_json: bool, quiet: bool
) -> dict[str, Any]:
    """Wait for a task's end: its id, state, result and error. Raises: AwaitTimedOut, `timeout` seconds passed; the task goes on."""
    if quiet:
        return wait_for_end(connection, queue, task_id, timeout)
    return follow_task(connection, task_id, timeout, as_json=as_json)


def follow_task(connection: psycopg.Connection[Any], task_id: UUID, timeout: float | None, *, as_json: bool) -> dict[str, Any]:
    """Show what is recorded of a task until it ends; its id, state, result and error.

    One task's moves commit in the order of their numbers, because each holds the task's row until it commits: "the
    numbers above the last one" misses nothing here.

    Raises:
        AwaitTimedOut: `timeout` seconds passed; the task goes on.
    """
    watch = _Watch(as_json)
    ends = None if timeout is None else time.monotonic() + timeout
    while True:
        story = read_story(connection, task_id, after_seq=watch.seq)
        if story is None or story["task"] is None:
            raise UsageError(f"task {task_id} was purged meanwhile", f"what is left: tollway task show {task_id}")
        watch.show(story)
        task = story["task"]
        if task["state"] in ENDED:
            return {"task_id": str(task_id), "state": task["state"], "result": task["result"], "error": task["error"]}
        time.sleep(_next_look(task_id, task["state"], ends))


def wait_for_end(connection: psycopg.Connection[Any], queue: str, task_id: UUID, timeout: float | None) -> dict[str, Any]:
    """As `follow_task`, without showing anything: what a role that may only start tasks and ask for results may do.

    Raises:
        AwaitTimedOut: `timeout` seconds passed; the task goes on.
        WrongState: it was purged meanwhile.
    """
    ends = None if timeout is None else time.monotonic() + timeout
    while True:
        found = found_task(queue, task_id, Client(connection).get_task_result(queue, task_id))
        if found.state in ENDED:
            return {"task_id": str(task_id), "state": found.state, "result": found.result, "error": found.failure_reason}
        time.sleep(_next_look(task_id, found.state, ends))


def _next_look(task_id: UUID, state: str, ends: float | None) -> float:
    left = None if ends is None else ends - time.monotonic()
    if left is not None and left <= 0:
        raise AwaitTimedOut(f"task {task_id} has not ended yet: it is {state}", hint=f"it goes on: tollway explain {task_id}")
    return PERIOD if left is None else min(PERIOD, left)


def report_end(ended: dict[str, Any], as_json: bool) -> int:
    """Print the result that `follow_task` came to, or why there is none; the exit code."""
    completed = ended["state"] == "completed"
    if as_json:
        emit(ended)
    elif completed:
        say(orjson.dumps(ended["result"], option=orjson.OPT_INDENT_2).decode())
    if not completed:
        why = "" if ended["error"] is None else f": {reason_of(ended['error'])}"
        complain(f"task {ended['task_id']} is {ended['state']}{why}")
        note(f"hint: tollway explain {ended['task_id']}")
    return OK if completed else FAILED


class _Watch:
    """What was shown already."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.seq = 0
        self.steps: set[str] = set()
        self.began: Any = None

    def show(self, story: dict[str, Any]) -> None:
        news: list[tuple[Any, int, str, dict[str, Any]]] = [(move["at"], 1, "move", move) for move in story["moves"]]
        news += [(step["at"], 0, "step", step) for step in story["steps"] if step["step"] not in self.steps]
        for at, _, kind, row in sorted(news, key=lambda one: one[:2]):
            self.began = self.began or at
            if self.as_json:
                emit({kind: row})
                continue
            for line in move_lines(row, self.began, MOST_VALUE) if kind == "move" else [step_line(row, MOST_VALUE)]:
                say(line)
        self.steps.update(step["step"] for step in story["steps"])
        self.seq = max([self.seq, *(move["seq"] for move in story["moves"])])
