"""`tollway explain TASK`: why does this task stand still, and what to type next?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors as pg

from tollway.cli.database import find_task, open_database
from tollway.cli.options import Dsn, Json, TaskId
from tollway.cli.output import OK, UNREACHABLE, UsageError, emit, say
from tollway.cli.queries.explain import read_situation, read_table_lock
from tollway.cli.reasons import Answer, reasons_of, schema_behind
from tollway.cli.reasons.locked import of_table
from tollway.errors import SchemaMismatch

LOCK_TIMEOUT = "set lock_timeout = '2s'"


def explain(task: TaskId, dsn: Dsn = None, as_json: Json = False) -> int:
    """Say why a task stands still, the weightiest reason first, each with the next command to type.

    It knows: ended, purged, locked rows and tables, cancellation rules, names no worker knows, events and tasks that are
    waited for, missed wake-ups, back-offs, delays and sleeps, expired leases, no worker, its turn, a schema of another release.
    """
    try:
        connection = open_database(dsn)
    except SchemaMismatch as error:
        _print(task, "unknown", [schema_behind(error)], as_json)
        return UNREACHABLE
    with connection:
        connection.execute(LOCK_TIMEOUT)
        try:
            task_id = find_task(connection, task)
            found = read_situation(connection, task_id)
        except pg.LockNotAvailable:
            _print(task, "unknown", [_table_answer(connection)], as_json)
            return OK
        answers = reasons_of(found)
        if not answers:
            raise UsageError(f"task {task_id} is {found.state}, and no known reason applies", f"its story: tollway task show {task_id}")
        title = found.task["task_name"] if found.task is not None else "task"
        _print(task_id, found.state, answers, as_json, title)
    return OK


def _table_answer(connection: psycopg.Connection[Any]) -> Answer:
    lock = read_table_lock(connection)
    if lock is None:
        return Answer("table_locked", "The whole table of tasks was locked a moment ago.", "tollway explain again")
    return of_table(lock)


def _print(task: str | UUID, state: str, answers: list[Answer], as_json: bool, title: str = "task") -> None:
    if as_json:
        emit({"task_id": task, "state": state, "answers": [asdict(answer) for answer in answers]})
        return
    say(f"{title} {task}: {state}")
    for answer in answers:
        say()
        say(answer.says)
        for fact in answer.facts:
            say(f"  {fact}")
        say(f"  next: {answer.next}")
