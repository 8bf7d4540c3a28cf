"""Typed values: what a function's annotations say about its arguments and its result.

Plain JSON (no annotation, or str, int, float, bool, None, list, dict of them) goes through the codec alone. Every
other type, pydantic models and dataclasses among them, is checked and converted by pydantic, so an error names the field.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from tollway.errors import InvalidOption, InvalidPayload
from tollway.protocol.codec import settle

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

PLAIN: frozenset[Any] = frozenset({Any, object, None, type(None), list, dict})
WITHOUT = (type, types.BuiltinFunctionType)
"""Callables with no function behind them that could be annotated."""
MOST_PROBLEMS = 5

_RESULTS: dict[tuple[Any, Any], ValueType] = {}
"""As many as there are places in the code that declare one."""


class ValueType:
    """How values of one annotation are stored and read back."""

    __slots__ = ("_adapter", "_scalar", "name")

    def __init__(self, annotation: Any) -> None:
        self.name = _name(annotation)
        self._adapter = None if _is_plain(annotation) else _adapter(annotation)
        # a value of exactly this type is its own JSON: most steps need no more than this look
        self._scalar = annotation if annotation in (str, int, float, bool) else None

    @property
    def is_plain(self) -> bool:
        return self._adapter is None

    def json_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of what is stored; None for plain JSON, and for types that have none."""
        if self._adapter is None:
            return None
        try:
            return self._adapter.json_schema()
        except ValueError:
            return None

    def encode(self, value: Any, what: str) -> tuple[orjson.Fragment, Any]:
        """(the encoded value, the value as a replay will see it).

        Raises:
            InvalidPayload: it does not fit the type, or is not JSON; the message names the field.
            PayloadTooLarge, PayloadTooDeep: as the codec.
        """
        if self._adapter is None or type(value) is self._scalar:
            return settle(value, what)
        wire, kept = settle(self.dump(value, what), what)
        return wire, self.decode(kept, what)

    def dump(self, value: Any, what: str) -> Any:
        """The value as plain JSON. Raises: InvalidPayload."""
        if self._adapter is None or type(value) is self._scalar:
            return value
        from pydantic import ValidationError

        try:
            return self._adapter.dump_python(self._adapter.validate_python(value), mode="json", warnings="error")
        except ValidationError as error:
            raise InvalidPayload(f"{what} does not fit {self.name}: {problems_of(error)}", hint="pass a value of that type.") from None
        except ValueError as error:  # pydantic's serialization error, and what a serializer of the user's raises
            raise InvalidPayload(f"{what} cannot be stored as {self.name}: {error}", hint="use a type that is written as JSON.") from None

    def decode(self, stored: Any, what: str) -> Any:
        """The typed value of what was stored. Raises: InvalidPayload, when the stored value no longer fits the type."""
        if self._adapter is None or type(stored) is self._scalar:
            return stored
        from pydantic import ValidationError

        try:
            return self._adapter.validate_python(stored)
        except ValidationError as error:
            raise InvalidPayload(
                f"{what}, as it was stored, does not fit {self.name}: {problems_of(error)}",
                hint="the type changed since, or another client wrote it: give new fields a default, or keep the old type readable.",
            ) from None


def problems_of(error: ValidationError) -> str:
    """`items.0.price: Field required`, each problem with the path to its field."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"] for e in found[:MOST_PROBLEMS]]
    more = len(found) - MOST_PROBLEMS
    return "; ".join(texts) + (f"; and {more} more" if more > 0 else "")


@lru_cache(maxsize=4096)
def value_type(annotation: Any) -> ValueType:
    """The `ValueType` of an annotation, made once. Raises: InvalidOption, for a type that pydantic cannot handle."""
    return ValueType(annotation)


def annotations_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """The resolved annotations of a function, Annotated kept.

    Raises:
        InvalidOption: an annotation names what cannot be found (a class local to another function, say).
    """
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except (NameError, AttributeError) as error:
        raise InvalidOption(
            f"an annotation of {getattr(fn, '__qualname__', fn)} cannot be resolved: {error}",
            hint="define the class at the module's level, and not under TYPE_CHECKING.",
        ) from None
    except TypeError:  # not something that has annotations: a partial, a builtin, an object with __call__
        return {}


def function_of(fn: Callable[..., Any]) -> Callable[..., Any]:
    """What carries the annotations: the function of a partial, the `__call__` of an object."""
    while True:
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, staticmethod):
            fn = fn.__func__
        elif inspect.isroutine(fn) or isinstance(fn, type) or not inspect.ismethod(call := getattr(fn, "__call__", None)):  # noqa: B004
            return fn
        else:
            fn = call


def result_type(fn: Callable[..., Any]) -> ValueType:
    """The type of a step's result; plain JSON where the function does not say.

    Kept by code and annotation, not by function: closures are made anew for each execution.
    """
    annotations = getattr(fn, "__annotations__", None)
    if annotations is None:
        if isinstance(fn, WITHOUT):
            return UNTYPED
        annotations = getattr(fn := function_of(fn), "__annotations__", None)
    if not annotations:
        return UNTYPED
    declared = annotations.get("return", Any)
    try:
        key = (getattr(fn, "__code__", fn), declared)
        known = _RESULTS.get(key)
    except TypeError:  # an annotation that has no hash
        return value_type_or_plain(annotations_of(fn).get("return", Any))
    if known is None:
        known = _RESULTS[key] = value_type_or_plain(annotations_of(fn).get("return", Any))
    return known


def value_type_or_plain(annotation: Any) -> ValueType:
    """As `value_type`; an annotation that cannot be hashed is made anew each time."""
    try:
        return value_type(annotation)
    except TypeError:
        return ValueType(annotation)


def _is_plain(annotation: Any) -> bool:
    if _hashable(annotation) and annotation in PLAIN:
        return True
    if isinstance(annotation, typing.TypeVar):
        return True
    origin = typing.get_origin(annotation)
    if origin in (list, dict):
        return all(_is_plain(argument) or argument is str for argument in typing.get_args(annotation))
    return False


def _hashable(annotation: Any) -> bool:
    try:
        hash(annotation)
    except TypeError:
        return False
    return True


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    # imported by who has such types: pydantic is half of the time that a worker takes to start
    from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    config = None if _has_own_config(annotation) else ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    try:
        return TypeAdapter(annotation, config=config)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise InvalidOption(
            f"values of type {_name(annotation)} cannot be stored: {str(error).splitlines()[0]}",
            hint="use a pydantic model, a dataclass, a type that pydantic knows, or plain JSON.",
        ) from None


def _has_own_config(annotation: Any) -> bool:
    # pydantic refuses a further configuration for types that may carry one
    carries = ("model_config", "__pydantic_config__", "__dataclass_fields__", "__pydantic_fields__")
    return isinstance(annotation, type) and (any(hasattr(annotation, name) for name in carries) or typing.is_typeddict(annotation))


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


UNTYPED = ValueType(Any)
"""Plain JSON."""
