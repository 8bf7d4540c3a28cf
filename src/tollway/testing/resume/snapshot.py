"""How a run ended: every task, every record; and how two runs differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from tollway.testing.database import TestDatabase
from tollway.testing.resume.differences import Difference, Kind
from tollway.testing.resume.paths import Paths

TASKS = "select task_id::text, state, result, error from absurd.task"
RECORDS = "select task_id::text, checkpoint_name, status, state from absurd.checkpoint"
RETRIES = "$retry:"
"""Waits of a step's own retry policy: named for the attempt, of which a killed worker costs one."""
SLEEPS = "$sleep"
MOST_TEXT = 200
CLAIM_TIMEOUT = "$ClaimTimeout"
"""Why an attempt failed whose worker died."""


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """Values are JSON text with paths in the place of ids."""

    state: str
    result: str
    error: Any
    records: Mapping[str, str]


STARTED = TaskEnd("started", "", None, {})
Snapshot = Mapping[str, TaskEnd]


def take(database: TestDatabase, paths: Paths, later: Collection[UUID]) -> Snapshot:
    """Every task by its path; of those in `later` only that they were started, for how far they come is left to chance."""
    named = paths.all()
    records: dict[str, dict[str, str]] = {path: {} for path in named.values()}
    for task_id, step, status, state in database.rows(RECORDS):
        if not step.startswith(RETRIES):
            value = "(a time)" if step.startswith(SLEEPS) else paths.neutral(_text(state))
            records[named[task_id]][step] = value if status == "committed" else f"{status} {value}"
    return {
        named[task_id]: STARTED if UUID(task_id) in later else TaskEnd(state, paths.neutral(_text(result)), error, records[named[task_id]])
        for task_id, state, result, error in database.rows(TASKS)
    }


def pins(database: TestDatabase, paths: Paths) -> dict[tuple[str, str], Any]:
    """The stored value of every step."""
    named = paths.all()
    return {(named[task_id], step): state for task_id, step, _, state in database.rows(RECORDS)}


def compare(reference: Snapshot, now: Snapshot) -> list[Difference]:
    """What differs, states first."""
    states: list[Difference] = []
    values: list[Difference] = []
    for path in sorted(reference.keys() | now.keys()):
        before, after = reference.get(path), now.get(path)
        if before is None or after is None:
            verb = "was started" if before is None else "was not started"
            values.append(Difference(Kind.TASKS, f"{path} {verb}, unlike in the run that nobody killed"))
        elif before.state != after.state:
            states.append(_state(path, before, after))
        else:
            values += _values(path, before, after)
    return states + values


def _state(path: str, before: TaskEnd, after: TaskEnd) -> Difference:
    reason = after.error if after.state == "failed" and isinstance(after.error, dict) else {}
    because = f" ({reason.get('name')}: {reason.get('message')})" if reason else ""
    text = f"{path or 'the task'} is {after.state}{because}; in the run that nobody killed, {before.state}"
    return Difference(Kind.ATTEMPTS if reason.get("name") == CLAIM_TIMEOUT else Kind.STATE, text)


def _values(path: str, before: TaskEnd, after: TaskEnd) -> Iterator[Difference]:
    whose = f" of {path}" if path else ""
    for step in before.records.keys() | after.records.keys():
        was, is_now = before.records.get(step), after.records.get(step)
        if was is None or is_now is None:
            verb = "is not recorded" if is_now is None else "is recorded"
            yield Difference(Kind.ORDER, f"step {step!r}{whose} {verb}, unlike in the run that nobody killed")
        elif was != is_now:
            yield Difference(Kind.VALUE, f"step {step!r}{whose} recorded {_short(is_now)}; in the run that nobody killed, {_short(was)}")
    if before.result != after.result:
        yield Difference(
            Kind.RESULT, f"the result{whose} is {_short(after.result)}; of the run that nobody killed, {_short(before.result)}"
        )


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}..."
