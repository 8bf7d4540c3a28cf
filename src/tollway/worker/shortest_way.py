"""Steps that are all there is to say go to the database by a shorter way than `worker_sync`: it has nothing to judge.

Its answer is one bit. Where it is not "all recorded", `worker_sync` is asked with the same steps and says what came of each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import orjson

from tollway.workflow.operations import Operation

ONE = "select absurd.record_step(%s, %s::uuid, %s, %s, %s::text::jsonb, %s)"
MANY = "select absurd.record_steps(%s, %s::uuid[], %s::bigint[], %s::text[], %s::text::jsonb, %s::double precision[])"
SMALL = 512
"""Bytes of a step's result: what is larger is always left to `worker_sync`."""


class Step(Protocol):
    """A unit of the group commit."""

    task_id: str
    epoch: int
    operations: tuple[Operation, ...]


def statement(queue: str, units: Sequence[Step]) -> tuple[str, tuple[Any, ...]] | None:
    """The statement that records these, and its values; None when they are not all steps, one of each task, and small."""
    if not units or any(len(unit.operations) != 1 or unit.operations[0]["op"] != "checkpoint" for unit in units):
        return None
    if len(units) == 1:
        unit, step = units[0], units[0].operations[0]
        return ONE, (queue, unit.task_id, unit.epoch, step["step"], orjson.dumps(step["state"]).decode(), step["duration_ms"])
    units = sorted(units, key=lambda unit: unit.task_id)  # the order in which rows are locked: that of uuids is that of their text
    if any(one.task_id == other.task_id for one, other in itertools.pairwise(units)):
        return None
    steps = [unit.operations[0] for unit in units]
    states = orjson.dumps([step["state"] for step in steps])
    if len(states) > SMALL * len(steps):
        return None  # some of them are not small, and all would go twice
    return MANY, (
        queue,
        _array(unit.task_id for unit in units),
        _array(str(unit.epoch) for unit in units),
        _array(_quoted(step["step"]) for step in steps),
        states.decode(),
        _array("null" if step["duration_ms"] is None else repr(step["duration_ms"]) for step in steps),
    )


def _array(elements: Iterable[str]) -> str:
    return "{" + ",".join(elements) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
