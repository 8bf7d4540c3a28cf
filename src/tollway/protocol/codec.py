"""JSON that the database gives back unchanged.

jsonb keeps numbers as numerics and has no tuples, so not every value comes back as it went. `settle` turns a value into
what will come back, and refuses what cannot: a step then returns the same value on its first execution and on every
replay. The rules that differ from plain JSON: a tuple becomes a list; -0.0 becomes 0.0; a float from 1e16 that is a
64-bit integer becomes one, because jsonb writes it without an exponent.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import orjson

from tollway.errors import InvalidPayload, PayloadTooDeep, PayloadTooLarge

MAX_DEPTH: Final = 64
MAX_BYTES: Final = 1 << 20
_INT_MIN: Final = -(1 << 63)
_INT_MAX: Final = (1 << 64) - 1
# from here on the encoder writes an exponent, which jsonb resolves
_FLOAT_AS_INT: Final = 1e16

Path: TypeAlias = tuple["Path", str | int] | None
"""Where a value stands: where its container does, and its key or index there. Put into words only for who must be told."""


def settle(value: Any, what: str = "the value", max_bytes: int = MAX_BYTES) -> tuple[orjson.Fragment, Any]:
    """(the encoded value, to be put into a larger document; the value as it will be read back).

    Raises:
        InvalidPayload: not JSON, or not storable: the message has the path, `$.order.items[3].price` (TW305).
        PayloadTooDeep: more than 64 levels (TW303).
        PayloadTooLarge: over `max_bytes` encoded (TW302).
    """
    encoded, kept = _encoded(value, what, max_bytes)
    return orjson.Fragment(encoded), kept


def encode(value: Any, what: str = "the value", max_bytes: int = MAX_BYTES) -> str:
    """The value as JSON text. Raises as `settle`."""
    return _encoded(value, what, max_bytes)[0].decode()


def decode(text: str | bytes | None) -> Any:
    """The value of JSON text; None stays None."""
    return None if text is None else orjson.loads(text)


def _encoded(value: Any, what: str, max_bytes: int) -> tuple[bytes, Any]:
    kept = _canonical(value, what, None, 0)
    try:
        encoded = orjson.dumps(kept)
    except orjson.JSONEncodeError as error:
        raise InvalidPayload(f"{what} is not JSON: {error}", hint="Lone surrogates cannot be stored: encode such text as base64.") from None
    if len(encoded) > max_bytes:
        raise PayloadTooLarge(
            f"{what} has {len(encoded)} bytes; the limit is {max_bytes}",
            hint="Store large data elsewhere and pass a reference, or raise the queue's max_payload_bytes.",
        )
    return encoded, kept


def _canonical(value: Any, what: str, path: Path, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return value if value.isascii() and "\x00" not in value else _text(value, what, path)
    if kind is int:
        return value if _INT_MIN <= value <= _INT_MAX else _integer(value, what, path)
    if kind is float:
        return _number(value, what, path)
    if isinstance(value, dict):
        return _object(value, what, path, depth)
    if isinstance(value, list | tuple):
        _check_depth(what, path, depth)
        return [_canonical(item, what, (path, i), depth + 1) for i, item in enumerate(value)]
    if isinstance(value, str):
        return _text(str.__str__(value), what, path)
    if isinstance(value, int):
        return _integer(int(value), what, path)
    if isinstance(value, float):
        return _number(float(value), what, path)
    raise InvalidPayload(f"{what} is not JSON: {_shown(path)} is of type {kind.__name__}", hint=_advice(kind.__name__))


def _object(value: dict[Any, Any], what: str, path: Path, depth: int) -> dict[str, Any]:
    _check_depth(what, path, depth)
    kept = {}
    for key, item in value.items():
        plain = type(key) is str and key.isascii() and "\x00" not in key
        kept[key if plain else _key(key, what, path)] = _canonical(item, what, (path, key), depth + 1)
    return kept


def _key(key: Any, what: str, path: Path) -> str:
    if not isinstance(key, str):
        raise InvalidPayload(
            f"{what} is not JSON: {_shown(path)} has the key {key!r} of type {type(key).__name__}", hint="Keys are texts: use str(key)."
        )
    return _text(str.__str__(key), what, path, " (a key)")


def _shown(path: Path) -> str:
    keys: list[str | int] = []
    while path is not None:
        path, key = path
        keys.append(key)
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in reversed(keys))


def _check_depth(what: str, path: Path, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise PayloadTooDeep(f"{what} is nested deeper than {MAX_DEPTH} levels at {_shown(path)[:80]}", hint="Flatten the value.")


def _text(value: str, what: str, path: Path, part: str = "") -> str:
    if "\x00" in value:
        wrong = "a NUL character"
    elif not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        wrong = "a lone surrogate"
    else:
        return value
    raise InvalidPayload(f"{what} cannot be stored: {_shown(path)}{part} contains {wrong}", hint="Encode binary data as base64.")


def _integer(value: int, what: str, path: Path) -> int:
    if not _INT_MIN <= value <= _INT_MAX:
        raise InvalidPayload(f"{what} cannot be stored: {_shown(path)} is an integer of more than 64 bits", hint="Store it as a text.")
    return value


def _number(value: float, what: str, path: Path) -> float | int:
    if not math.isfinite(value):
        raise InvalidPayload(f"{what} is not JSON: {_shown(path)} is {value}", hint="JSON has no NaN and no infinity: use None or a text.")
    if value == 0.0:
        return 0.0
    if abs(value) >= _FLOAT_AS_INT and _INT_MIN <= value <= _INT_MAX:
        return int(value)
    return value


def _advice(name: str) -> str:
    known = {
        "datetime": "Use value.isoformat().",
        "date": "Use value.isoformat().",
        "UUID": "Use str(value).",
        "Decimal": "Use str(value): a float would lose digits.",
        "bytes": "Encode it as base64.",
        "set": "Use sorted(value): a set has no order.",
        "coroutine": "It was not awaited: put `await` before the call.",
        "generator": "Use list(value).",
    }
    return known.get(name, "Return texts, numbers, booleans, None, lists and dictionaries of them.")
