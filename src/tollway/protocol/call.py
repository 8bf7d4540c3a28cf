"""A call as data: what to execute, with what, and how to read the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar

from tollway.protocol.codec import encode

T = TypeVar("T")
Row = Sequence[Any]


class Call(NamedTuple, Generic[T]):
    """One statement. `decode` turns all its rows into the answer; JSON columns come as text."""

    sql: LiteralString
    params: tuple[Any, ...]
    decode: Callable[[list[Row]], T]


def nothing(_rows: list[Row]) -> None:
    """For functions that return void."""


def json_param(value: Any, what: str) -> str:
    """A document as a parameter; it is checked here, before it is sent."""
    return encode(value, what)


def options_param(options: Mapping[str, Any] | None) -> str:
    """Options without those that are None: leaving one out means its default."""
    return encode({k: v for k, v in (options or {}).items() if v is not None}, "options")
