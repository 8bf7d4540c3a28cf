"""Retry policies: the waits they give, and what they refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tollway import NonRetryable, Retry
from tollway.errors import AwaitTimedOut, ChildFailed, DuplicateStep, InvalidOption
from tollway.workflow.control import Suspended
from tollway.workflow.journal import Journal
from tollway.workflow.policy import Failures, step


def test_waits_grow_to_the_longest() -> None:
    policy = Retry(max_attempts=None, first=timedelta(seconds=2), factor=3, most=50, jitter=0)
    assert [policy.wait_after(n) for n in range(1, 6)] == [2, 6, 18, 50, 50]
    assert policy.wait_after(10**6) == 50


def test_the_last_attempt_has_no_wait_after_it() -> None:
    assert Retry(max_attempts=2, jitter=0).wait_after(1) == 1
    assert Retry(max_attempts=2).wait_after(2) is None
    assert Retry(max_attempts=1).wait_after(1) is None


def test_jitter_takes_a_share_of_the_wait_and_differs() -> None:
    waits = [Retry(first=100, jitter=0.5).wait_after(1) for _ in range(200)]
    assert all(wait is not None and 50 <= wait <= 100 for wait in waits)
    assert len(set(waits)) > 100


def test_some_errors_are_final_whatever_the_policy_says() -> None:
    policy = Retry(non_retryable=(KeyError,))
    for error in (NonRetryable("no"), AwaitTimedOut("late"), ChildFailed("x", state="failed"), DuplicateStep("twice"), KeyError("k")):
        assert policy.is_final(error), error
    assert not policy.is_final(ValueError())


def test_the_database_counts_by_the_same_policy() -> None:
    assert Retry(first=2, factor=3, most=50).strategy() == {"kind": "exponential", "base_seconds": 2.0, "factor": 3.0, "max_seconds": 50.0}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"max_attempts": True}, "max_attempts is True"),
        ({"max_attempts": 2.5}, r"max_attempts is 2\.5"),
        ({"first": -1}, "the first wait of a retry policy, is -1"),
        ({"most": float("nan")}, "the longest wait of a retry policy, is nan"),
        ({"factor": 0.5}, r"factor is 0\.5"),
        ({"factor": "2"}, "factor is '2'"),
        ({"jitter": 1.5}, r"jitter is 1\.5"),
        ({"non_retryable": ValueError}, "non_retryable is"),
        ({"non_retryable": ("ValueError",)}, "non_retryable is"),
    ],
)
def test_what_is_no_policy_is_refused_where_it_is_written(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem):
        Retry(**options)


@pytest.mark.parametrize(("options", "problem"), [({"timeout": 0}, "timeout of a step is 0"), ({"retry": 3}, "retry is 3")])
def test_a_step_marked_with_no_policy_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem):
        step(**options)


@pytest.mark.parametrize(("wait", "stored"), [(0.5, False), (5.0, False), (5.001, True), (60, True)])
def test_a_wait_of_over_five_seconds_is_stored(wait: float, stored: bool) -> None:
    journal = Journal(None)
    failures = Failures(journal, "call", Retry(first=wait, jitter=0))
    if not stored:
        assert failures.wait_after(OSError()) == wait
        return

    with pytest.raises(Suspended) as suspended:
        failures.wait_after(OSError())
    record, sleep = suspended.value.operations
    assert (record["op"], record["step"], record["state"]["failures"]) == ("checkpoint", "$retry:1.1:call", 1)
    assert sleep == {"op": "sleep", "seconds": wait}
