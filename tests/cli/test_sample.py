"""The input that `tollway dev` prints is one that its workflow takes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest

from tollway.cli.sample import sample_input
from tollway.workflow import Tollway


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Inner:
    at: datetime
    key: UUID
    tags: list[str]
    colour: Colour


@dataclass
class Outer:
    inner: Inner
    kind: Literal["a", "b"]
    price: float
    note: str = "left out"


def outer(ctx: Any, order: Outer) -> None: ...
def several(ctx: Any, order: Outer, count: int, name: str | None, also: bool = False) -> None: ...
def untyped(ctx: Any, anything): ...  # type: ignore[no-untyped-def]
def nothing(ctx: Any) -> None: ...
def mapping(ctx: Any, order: dict[str, Any]) -> None: ...


@pytest.mark.parametrize("function", [outer, several, untyped, nothing, mapping])
def test_a_sample_is_taken(function: Any) -> None:
    workflow = Tollway("").workflow(function)
    sample = orjson.loads(sample_input(workflow))
    args, kwargs = workflow.decode_arguments(sample)
    assert len(args) + len(kwargs) == sum(p.default is p.empty for p in workflow.parameters)


def test_only_what_is_required_is_in_it() -> None:
    sample = orjson.loads(sample_input(Tollway("").workflow(outer)))
    assert sample.keys() == {"inner", "kind", "price"}
    assert sample["kind"] == "a"
