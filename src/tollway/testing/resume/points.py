"""Commits, named so that the same one is found again in another run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tollway.workflow.operations import Operation

BEFORE, AFTER = "before", "after"

_ENDS: dict[str, str] = {
    "complete": "the completion",
    "fail": "the failure of an attempt",
    "sleep": "going to sleep",
    "put_back": "a put-back",
    "release": "a release",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One commit of one task: what it says, and the how manieth of those. `task` is empty for the task under test."""

    task: str
    what: str
    nth: int = 1

    def __str__(self) -> str:
        again = f" (number {self.nth})" if self.nth > 1 else ""
        whose = f" of {self.task}" if self.task else ""
        return f"{self.what}{whose}{again}"


def what_of(operations: Sequence[Operation]) -> str:
    """What operations that are committed together do, in words that are the same in every run."""
    steps = sorted(op["step"] for op in operations if op["op"] in ("checkpoint", "spawn"))
    last = operations[-1]
    kind: str = last["op"]
    if kind == "await":
        said = f"the wait for event {last['event']!r}"
    elif kind == "await_task":
        said = f"the wait for the end of {last['step'].removeprefix('$result:')!r}"
    elif kind == "spawn":
        return f"the start of child {last['step'].removeprefix('$child:')!r}"
    elif kind == "checkpoint":
        return f"the record of step {', '.join(map(repr, steps))}"
    else:
        said = _ENDS.get(kind, str(kind))
    return f"{said}, with {', '.join(map(repr, steps))}" if steps else said


def transaction_point(step: str) -> str:
    return f"the transaction {step!r}"
