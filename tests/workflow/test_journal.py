"""The pure part: names, the journal, and arguments as params. No database."""

from __future__ import annotations

from typing import Any

import pytest

from tollway.errors import DuplicateStep, InvalidName, InvalidOption
from tollway.workflow import Tollway
from tollway.workflow.control import ControlFlow, Dropped, Suspended
from tollway.workflow.journal import Journal
from tollway.workflow.names import check_step_name, event_step


@pytest.mark.parametrize("name", ["", "x" * 256, "é" * 128, "a\0b", "\ud800", "$reserved", 7, None])
def test_a_name_that_cannot_be_stored_is_refused(name: Any) -> None:
    with pytest.raises(InvalidName):
        check_step_name(name)


@pytest.mark.parametrize("name", ["a", "x" * 255, "é" * 127, '"; drop table absurd.task; --'])
def test_every_other_name_is_data(name: str) -> None:
    assert check_step_name(name) == name


def test_the_step_of_a_long_event_name_fits_and_stays_the_same() -> None:
    longest = "e" * 255

    assert len(event_step(longest, 1)) <= 255
    assert event_step(longest, 1) == event_step(longest, 1)
    assert event_step(longest, 1) != event_step(longest, 2)


def test_a_step_is_entered_once_in_an_attempt() -> None:
    journal = Journal({"known": {"state": 1, "status": "committed"}})

    assert journal.enter("known") == {"state": 1, "status": "committed"}
    assert journal.enter("new") is None
    with pytest.raises(DuplicateStep):
        journal.enter("known")


def test_unnamed_sleeps_are_told_apart_by_their_order() -> None:
    journal = Journal(None)

    names = [journal.sleep_step(None), journal.sleep_step("cool off"), journal.sleep_step(None)]
    assert names == ["$sleep#1", "$sleep:cool off", "$sleep#2"]


def test_nothing_can_be_entered_once_the_run_is_over() -> None:
    journal = Journal(None)
    journal.suspend(Suspended())

    with pytest.raises(Dropped):
        journal.enter("later")


def test_control_flow_is_no_exception_that_users_catch() -> None:
    assert not issubclass(ControlFlow, Exception)


def test_arguments_come_back_as_they_were_given() -> None:
    app = Tollway("not used")

    @app.workflow
    def none(ctx: Any) -> None: ...
    @app.workflow
    def one(ctx: Any, order: Any) -> None: ...
    @app.workflow
    def two(ctx: Any, a: int, b: int = 2) -> None: ...

    assert none.decode_arguments(none.encode_arguments((), {})) == ((), {})
    assert one.decode_arguments(one.encode_arguments(({"id": 7},), {})) == ((), {"order": {"id": 7}})
    assert two.decode_arguments(two.encode_arguments((1,), {"b": 3})) == ((), {"a": 1, "b": 3})


def test_two_functions_cannot_have_one_name() -> None:
    app = Tollway("not used")
    app.workflow(name="same")(lambda ctx: 1)

    def other(ctx: Any) -> None: ...

    with pytest.raises(InvalidOption, match="same"):
        app.workflow(name="same")(other)
