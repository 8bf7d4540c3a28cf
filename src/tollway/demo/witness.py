"""What really ran, told by the step bodies themselves: lines in a file, beside the database.

A line is one write to a file opened with O_APPEND, so the lines of all processes stay whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import orjson

P = ParamSpec("P")
T = TypeVar("T")

FILE_VARIABLE = "TOLLWAY_DEMO_EXECUTIONS"


@dataclass(frozen=True, slots=True)
class Execution:
    """A step body that began (`digest` is None), or came to its end and computed something."""

    task_id: UUID
    step: str
    pid: int
    digest: str | None


def digest(value: Any) -> str:
    """The same for what was computed and for what jsonb made of it."""
    return sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def witnessed(task_id: UUID, step: str, fn: Callable[P, T]) -> Callable[P, T]:
    """`fn`, which reports when it begins, and the digest of what it computed when it ends."""

    def execute(*args: P.args, **kwargs: P.kwargs) -> T:
        _append(str(task_id), step, str(os.getpid()))
        value = fn(*args, **kwargs)
        _append(str(task_id), step, str(os.getpid()), digest(value))
        return value

    return execute


def executions(file: Path) -> list[Execution]:
    """All that was reported, in order."""
    rows = (line.split("\t") for line in file.read_text().splitlines())
    return [Execution(UUID(task), step, int(pid), ended[0] if ended else None) for task, step, pid, *ended in rows]


def _append(*fields: str) -> None:
    file = os.open(os.environ[FILE_VARIABLE], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, ("\t".join(fields) + "\n").encode())
    finally:
        os.close(file)
