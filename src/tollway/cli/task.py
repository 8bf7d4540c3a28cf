"""`tollway task list | show | wait | cancel | retry`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from tollway.cli.database import check_queue, find_task, open_database
from tollway.cli.follow import report_end, watch_task
from tollway.cli.options import AnyQueue, Dsn, Json, TaskId, Timeout
from tollway.cli.output import FAILED, OK, UsageError, columns, complain, emit, note, say
from tollway.cli.progress import working
from tollway.cli.queries.tasks import list_tasks, queue_and_state, read_story, recent_names
from tollway.cli.story import render
from tollway.cli.suggest import did_you_mean
from tollway.client import Client

MOST_ATTEMPTS = 16_777_215
MOST_ROWS = 100_000

app = typer.Typer(help="Look at tasks; wait for them, cancel and retry them.", no_args_is_help=True)

TaskIds = Annotated[list[str], typer.Argument(metavar="TASK...", help="Task ids, or unambiguous beginnings of them.")]


class State(StrEnum):
    """A task's state."""

    PENDING = "pending"
    RUNNING = "running"
    SLEEPING = "sleeping"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@app.command("list")
def list_(
    queue: AnyQueue = None,
    state: Annotated[State | None, typer.Option("--state", help="Only tasks in this state.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only tasks of this workflow.")] = None,
    before: Annotated[str | None, typer.Option("--before", metavar="TASK", help="Only older ones than this task: the next page.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MOST_ROWS, help="So many at most.")] = 20,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """List tasks, the newest first."""
    with open_database(dsn) as connection:
        if queue is not None:
            check_queue(connection, queue)
        older = None if before is None else find_task(connection, before)
        chosen = None if state is None else state.value
        rows = list_tasks(connection, queue=queue, state=chosen, name=name, before=older, limit=limit)
        if not rows and name is not None and name not in (known := recent_names(connection)):
            note(f"note: none of the newest tasks is named {name!r}; {did_you_mean(name, known)}".rstrip("; "))
    if as_json:
        for row in rows:
            emit(row)
    elif rows:
        columns(rows, ("task_id", "queue", "name", "state", "attempt", "worker", "created"))
    else:
        say("no tasks")
    return OK


@app.command("show")
def show(
    task: TaskId,
    full: Annotated[bool, typer.Option("--full", help="Whole values and tracebacks.")] = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Show a task: its state, every move with who made it and by which path, its steps, attempts and what it waits for."""
    with open_database(dsn) as connection:
        task_id = find_task(connection, task)
        story = read_story(connection, task_id)
    if story is None:
        raise UsageError(f"nothing is recorded of task {task_id} any more", "its log was cleaned up, too.")
    if as_json:
        emit(story)
        return OK
    for line in render(story, full=full):
        say(line)
    return OK


@app.command("wait")
def wait(
    task: TaskId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its moves and steps, those before too, as they happen.")] = False,
    timeout: Timeout = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Wait for a task's end and print its result. Exit code 0: completed; 1: failed, cancelled, or not ended in time."""
    with open_database(dsn) as connection:
        task_id = find_task(connection, task)
        with working(f"waiting for {task_id}"):
            queue, _ = _where(queue_and_state(connection, task_id), task_id)
            return report_end(watch_task(connection, queue, task_id, timeout, as_json=as_json, quiet=not follow), as_json)


@app.command("cancel")
def cancel(
    tasks: TaskIds,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it is kept in the log and shown to who awaits the result.")] = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Cancel tasks with their unfinished children. Exit code 1: one of them was over already."""
    code = OK
    with open_database(dsn) as connection:
        for task_id in [find_task(connection, text) for text in tasks]:
            queue, before = _where(queue_and_state(connection, task_id), task_id)
            Client(connection).cancel_task(queue, task_id, reason)
            _, after = _where(queue_and_state(connection, task_id), task_id)
            done = after == "cancelled" and before != "cancelled"
            if as_json:
                emit({"task_id": task_id, "cancelled": done, "state": after})
            elif done:
                say(f"cancelled {task_id} (it was {before})")
            if not done:
                code = FAILED
                complain(f"task {task_id} is {after} already; nothing was changed")
    return code


@app.command("retry")
def retry(
    tasks: TaskIds,
    max_attempts: Annotated[
        int | None, typer.Option("--max-attempts", min=1, max=MOST_ATTEMPTS, help="Attempts in all; default: one more.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Start a new task like it, from the beginning, and leave this one as it is.")] = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Give failed tasks another attempt; finished steps are not done again."""
    with open_database(dsn) as connection:
        for task_id in [find_task(connection, text) for text in tasks]:
            queue, _ = _where(queue_and_state(connection, task_id), task_id)
            spawned = Client(connection).retry_task(queue, task_id, max_attempts=max_attempts, spawn_new=new)
            if as_json:
                emit({"task_id": spawned.task_id, "run_id": spawned.run_id, "attempt": spawned.attempt, "created": spawned.created})
            else:
                say(f"started {spawned.task_id}, like {task_id}" if new else f"task {task_id} gets attempt {spawned.attempt}")
    return OK


def _where(found: tuple[str, str] | None, task_id: UUID) -> tuple[str, str]:
    if found is None:
        raise UsageError(f"task {task_id} was purged", f"only its log is left: tollway task show {task_id}")
    return found
