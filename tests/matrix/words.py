"""The words that the expectation is written in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

T0 = datetime(2030, 1, 1, tzinfo=UTC)
Columns = dict[str, Any]


def at(seconds: float) -> datetime:
    """The frozen clock's moment: every scene is set at T0, and every call is made at the tenth second."""
    return T0 + timedelta(seconds=seconds)


NOW = at(10)


@dataclass(frozen=True, slots=True)
class Task:
    """The id of the scene's task with that label."""

    label: str = "task"


@dataclass(frozen=True, slots=True)
class Run:
    """The id of an attempt of the scene's task with that label."""

    attempt: int = 1
    label: str = "task"


@dataclass(frozen=True, slots=True)
class Queue:
    """The cell's queue, and something behind its name."""

    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """The role that made the call."""


@dataclass(frozen=True, slots=True)
class Maker:
    """The role that made the scene."""


@dataclass(frozen=True, slots=True)
class Says:
    """A text with the ids of the scene's tasks in it, by their labels."""

    text: str


BY = Actor()


@dataclass(frozen=True)
class Move:
    """One row of the log. `via` is the path within our functions, the one that was called left out."""

    arrow: str
    event: str
    worker: str | None = None
    attempt: int = 1
    epoch: int = 1
    detail: Any = None
    via: str = ""


@dataclass(frozen=True)
class Change:
    """What the call owes one task. Columns that are not named keep their values.

    state, workflow_run.status and workflow_run.updated_at follow from the last move. `view` is task_runtime_status after it.
    """

    label: str
    moves: tuple[Move, ...]
    task: Columns = field(default_factory=dict)
    workflow: Columns = field(default_factory=dict)
    view: Columns = field(default_factory=dict)
    run: Columns | None = None
    root: bool = True


@dataclass(frozen=True)
class Row:
    """One call in one scene, and all that may differ afterwards."""

    functions: tuple[str, ...]
    scene: str
    args: Columns
    changes: tuple[Change, ...] = ()
    refused: str | None = None
    checkpoints: Columns = field(default_factory=dict)  # written: step -> columns
    waits: Columns = field(default_factory=dict)  # label -> the columns of its wait, or "gone"
    events: Columns = field(default_factory=dict)  # name -> payload, None: a placeholder, or "gone"
    mended: Columns = field(default_factory=dict)  # columns of the task's workflow_run that change without a move
    logged: tuple[tuple[str, Any], ...] = ()  # rows of the log without a task: event, detail
    lease: Columns = field(default_factory=dict)  # columns of the task that change without a move
    steps: int | None = None  # of the status view, where a checkpoint of step s was written without a move
    owned: tuple[str, ...] = ()  # labels whose runs, checkpoints and waits leave with them
    forgotten: tuple[str, ...] = ()  # labels whose workflow_run is removed
    notify: bool = False
    without: tuple[str, ...] = ()  # actors that cannot say this: they have no such argument
    besides: Columns = field(default_factory=dict)  # rows of tables that hold no state: table -> how many more
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.scene}: {self.note}" if self.note else self.scene
