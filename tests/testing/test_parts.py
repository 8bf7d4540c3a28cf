"""The small parts by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tollway.testing.resume.check import _spread
from tollway.testing.resume.inputs import inputs_of, text_of
from tollway.testing.resume.mortal import bury
from tollway.testing.resume.points import Point, what_of
from tollway.testing.server import database_dsn
from tollway.workflow import operations


@dataclass
class Order:
    id: int
    lines: list[str]


class Client:
    """No value: two of them are neither equal nor different."""


def test_inputs_are_values_by_name() -> None:
    given = inputs_of(partial(print, 1), (Order(7, ["a"]), Client()), {"flag": True}, None)
    assert given == {"argument 1": "1", "argument 2": "{'id': 7, 'lines': ['a']}", "argument 'flag'": "True"}


def test_only_what_a_body_closes_over_in_the_workflow_counts() -> None:
    outside = 1

    def handler(value: int) -> Any:
        inside, client = value, Client()
        return lambda: (outside, inside, client)

    assert inputs_of(handler(5), (), {}, handler.__code__) == {"variable 'inside'": "5"}
    assert inputs_of(handler(5), (), {}, None) == {}


def test_an_object_within_a_list_makes_the_list_no_value() -> None:
    assert text_of([1, Client()]) is None
    assert text_of({"a": (1, 2)}) == "{'a': [1, 2]}"


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ([operations.checkpoint("charge", 1)], "the record of step 'charge'"),
        ([operations.emit("paid", 1), operations.checkpoint("$emit:paid", True)], "the record of step '$emit:paid'"),
        (
            [operations.checkpoint("$sleep:b", {}), operations.checkpoint("$sleep:a", {}), operations.sleep(1)],
            "going to sleep, with '$sleep:a', '$sleep:b'",
        ),
        ([operations.await_task("$result:mail", "0", None)], "the wait for the end of 'mail'"),
        ([operations.spawn("$child:mail", "default", "mail", {}, {})], "the start of child 'mail'"),
        ([operations.complete(None)], "the completion"),
    ],
)
def test_commits_are_named_alike_in_every_run(done: list[operations.Operation], said: str) -> None:
    assert what_of(done) == said
    assert str(Point("child 'x'", said, 2)) == f"{said} of child 'x' (number 2)"


@pytest.mark.parametrize(("most", "expected"), [(None, 10), (20, 10), (4, 4), (2, 2), (1, 1)])
def test_kills_are_spread_over_the_run(most: int | None, expected: int) -> None:
    moments = [(number, "after") for number in range(10)]
    chosen = list(_spread(moments, most))
    assert len(set(chosen)) == expected
    if expected > 1:
        assert (chosen[0], chosen[-1]) == (moments[0], moments[-1])


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://me:secret@host:5433/postgres?sslmode=require", "postgresql://me:secret@host:5433/mine?sslmode=require"),
        ("postgresql://postgres@/postgres?host=/tmp/run", "postgresql://postgres@/mine?host=/tmp/run"),
        ("host=here dbname=postgres", "dbname=mine host=here"),
    ],
)
def test_another_database_of_the_same_server(dsn: str, expected: str) -> None:
    assert database_dsn(dsn, "mine") == expected


def test_a_dead_workers_thread_hands_over_to_nobody() -> None:
    """Else it would learn that its loop is closed, and unwind its handler."""
    loop = asyncio.SelectorEventLoop()
    bury(loop, [])
    answered: list[int] = []
    loop.call_soon_threadsafe(answered.append, 1)

    assert loop.is_closed()
    assert answered == []
