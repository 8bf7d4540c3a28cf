"""What is recorded of a failure: enough to find it, nothing that might be a secret, and never an error of its own."""

from __future__ import annotations

import orjson
import pytest

from tollway.errors import InvalidOption
from tollway.worker.reasons import MOST_MESSAGE, MOST_TRACEBACK, reason_of


def raised(error: BaseException, depth: int = 0) -> BaseException:
    """The error, with a traceback of `depth` frames and a local that is a secret."""
    password = "".join(("hun", "ter", "2"))

    def fail(left: int) -> None:
        if left:
            fail(left - 1)
        raise error

    try:
        fail(depth)
    except BaseException as caught:
        assert password
        return caught
    raise AssertionError("unreachable")


def test_a_traceback_names_the_lines_and_no_local() -> None:
    reason = reason_of(raised(KeyError("sku")))

    assert (reason["name"], reason["message"]) == ("KeyError", "'sku'")
    assert "in fail" in reason["traceback"]
    assert "raise error" in reason["traceback"]
    assert "hunter2" not in orjson.dumps(reason).decode()


def test_what_is_long_is_cut_in_its_middle() -> None:
    deep = reason_of(raised(ValueError("x" * 100_000), depth=200))

    assert len(deep["message"]) <= MOST_MESSAGE
    assert len(deep["traceback"]) <= MOST_TRACEBACK
    assert " [...] " in deep["message"]
    assert deep["traceback"].startswith("Traceback (most recent call last)")


class NoText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class NoString(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


class OddAttributes(Exception):
    __notes__ = 5  # type: ignore[assignment]
    hint = object()

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


def in_a_circle() -> Exception:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    return one


@pytest.mark.parametrize(
    "error",
    [
        NoText(),
        NoString(),
        OddAttributes("odd"),
        in_a_circle(),
        ValueError("a\0b\ud800"),
        ExceptionGroup("many", [ValueError(str(n)) for n in range(1000)]),
        RecursionError("deep"),
        BaseException(),
        InvalidOption("x", hint=5),  # type: ignore[arg-type]
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_odd_error_is_recorded_too(error: BaseException) -> None:
    reason = reason_of(raised(error))

    assert reason["name"] == type(error).__name__
    assert "\0" not in orjson.dumps(reason).decode()
    assert len(reason["traceback"]) <= MOST_TRACEBACK


def test_the_hint_of_an_error_of_ours_is_kept() -> None:
    assert reason_of(InvalidOption("x", hint="use y."))["hint"] == "use y."
    assert "hint" not in reason_of(ValueError("x"))
