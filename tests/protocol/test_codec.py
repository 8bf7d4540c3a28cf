"""The codec gives what the database gives back, and refuses what it would change."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.database import Database
from tollway.errors import InvalidPayload, PayloadTooDeep, PayloadTooLarge
from tollway.protocol.codec import MAX_DEPTH, decode, encode, settle

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.tuples(inner, inner) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_what_settles_is_what_the_database_gives_back(db: Database, value: Any) -> None:
    wire, kept = settle(value)

    back = decode(db.one("select %s::jsonb::text", orjson.dumps(wire).decode()))

    assert exactly(back) == exactly(kept)


@settings(max_examples=200, deadline=None)
@given(value=JSON)
def test_settling_is_a_fixed_point(value: Any) -> None:
    kept = settle(value)[1]

    assert exactly(settle(kept)[1]) == exactly(kept)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1e16, 10**16),
        (1e22, 1e22),
        (-0.0, 0.0),
        (1.0, 1.0),
        ((1, (2,)), [1, [2]]),
        ({"b": 1, "a": None}, {"b": 1, "a": None}),
        (5e-324, 5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
        ((1 << 64) - 1, (1 << 64) - 1),
    ],
)
def test_the_rules_that_differ_from_plain_json(db: Database, value: Any, kept: Any) -> None:
    assert exactly(settle(value)[1]) == exactly(kept)
    assert exactly(decode(db.one("select %s::jsonb::text", encode(value)))) == exactly(kept)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"order": {"items": [1, {"price": math.nan}]}}, "$.order.items[1].price is nan"),
        ([math.inf], "$[0] is inf"),
        ({"a": "x\x00"}, "$.a contains a NUL"),
        ({"a": "\ud800"}, "$.a contains a lone surrogate"),
        ({1: 2}, "$ has the key 1 of type int"),
        ({"when": datetime.now(UTC)}, "$.when is of type datetime"),
        ({"id": uuid4()}, "$.id is of type UUID"),
        ([Decimal(1)], "$[0] is of type Decimal"),
        (b"x", "$ is of type bytes"),
        ({1, 2}, "$ is of type set"),
        (1 << 64, "$ is an integer of more than 64 bits"),
        (object(), "$ is of type object"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_path(value: Any, where: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        settle(value, "the result")

    assert where in refused.value.message
    assert refused.value.message.startswith("the result ")
    assert refused.value.hint


def test_depth_is_limited_as_in_the_database(db: Database) -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    settle(deep)
    db.conn.execute("select absurd._check_payload('value', %s::jsonb, 1000000)", (encode(deep),))

    with pytest.raises(PayloadTooDeep):
        settle([deep])
    with pytest.raises(Exception, match="nested deeper than 64 levels"):
        db.conn.execute("select absurd._check_payload('value', %s::jsonb, 1000000)", (f"[{padded(encode(deep))}]",))


def test_size_is_limited() -> None:
    with pytest.raises(PayloadTooLarge, match="1048579 bytes; the limit is 1048576"):
        settle("x" * (1 << 20) + "y")


def padded(text: str) -> str:
    """The same depth, and large enough that the database looks."""
    return text[:-1] + ', "' + "x" * 600 + '"]'


def exactly(value: Any) -> Any:
    """Equal only with equal types: 1 and 1.0 and True differ here."""
    if isinstance(value, list):
        return ("list", [exactly(item) for item in value])
    if isinstance(value, dict):
        return ("dict", sorted((key, exactly(item)) for key, item in value.items()))
    if isinstance(value, float):
        return ("float", repr(value))
    return (type(value).__name__, value)
