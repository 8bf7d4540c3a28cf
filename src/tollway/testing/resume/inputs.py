"""What a step's body is given, as text that two executions can be compared by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from types import CodeType
from typing import Any
from uuid import UUID

SCALARS = (str, int, float, bool, bytes, datetime, date, time, timedelta, Decimal, UUID, Enum, type(None))
MOST_TEXT = 300


def inputs_of(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], handler: CodeType | None) -> dict[str, str]:
    """Every input by name, of those that are values: arguments, and what the body closes over in the workflow.

    Objects without a value of their own (clients, connections, functions) are left out. So is what the body closes over
    outside of the workflow: that belongs to the test.
    """
    if isinstance(fn, partial):
        args, kwargs, fn = (*fn.args, *args), {**fn.keywords, **kwargs}, fn.func
    given: dict[str, Any] = {f"argument {number}": value for number, value in enumerate(args, 1)}
    given |= {f"argument {name!r}": value for name, value in kwargs.items()}
    texts = {name: text for name, value in given.items() if (text := text_of(value)) is not None}
    for name, value in _closed_over(fn, handler).items():
        if isinstance(value, SCALARS):
            texts[f"variable {name!r}"] = repr(value)
    return texts


def text_of(value: Any) -> str | None:
    """The value as text, None when it is no value."""
    plain = _plain(value)
    return None if plain is _NOT_A_VALUE else repr(plain)[:MOST_TEXT]


def _closed_over(fn: Callable[..., Any], handler: CodeType | None) -> dict[str, Any]:
    code, cells = getattr(fn, "__code__", None), getattr(fn, "__closure__", None)
    if handler is None or code is None or not cells:
        return {}
    found = {}
    for name, cell in zip(code.co_freevars, cells, strict=True):
        if name in handler.co_cellvars:
            try:
                found[name] = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, SCALARS):
        return value
    if isinstance(value, list | tuple):
        return _all(list(value), list)
    if isinstance(value, dict):
        items = _all([part for pair in value.items() for part in pair], list)
        return items if items is _NOT_A_VALUE else dict(zip(items[::2], items[1::2], strict=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return _plain(dump())
    return _NOT_A_VALUE


def _all(values: list[Any], make: Callable[[list[Any]], Any]) -> Any:
    plain = [_plain(value) for value in values]
    return _NOT_A_VALUE if any(part is _NOT_A_VALUE for part in plain) else make(plain)


_NOT_A_VALUE = object()
