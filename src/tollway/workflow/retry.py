"""Retry policies, of steps and of whole workflows."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tollway.errors import AwaitTimedOut, ChildFailed, DuplicateStep, InvalidOption, NonRetryable
from tollway.workflow.durations import Duration, seconds_of

FINAL: tuple[type[Exception], ...] = (NonRetryable, ChildFailed, AwaitTimedOut, DuplicateStep)
"""Errors that a further attempt would only meet again: they are recorded, or stand in the code."""
LONGEST_FACTOR_STEPS = 64
"""Growth beyond this many attempts is cut by `most` anyhow; without a bound the power would overflow."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failing body runs again, and after which waits.

    The wait before attempt n+1 is `first * factor ** (n - 1)`, at most `most`, of which the share `jitter` is drawn
    at random, so that many failures of one cause do not come back at one moment.

    Args:
        max_attempts: executions in all, at least 1; None for no limit.
        first: the first wait (a timedelta or seconds).
        factor: what each wait is multiplied by, at least 1.
        most: the longest wait.
        jitter: 0 (none) to 1 (the whole wait).
        non_retryable: errors after which no further attempt is made.
    """

    max_attempts: int | None = 3
    first: Duration = 1.0
    factor: float = 2.0
    most: Duration = 300.0
    jitter: float = 0.2
    non_retryable: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        check_attempts(self.max_attempts)
        seconds_of(self.first, "first, the first wait of a retry policy,")
        seconds_of(self.most, "most, the longest wait of a retry policy,")
        _check_number("factor", self.factor, 1.0, 1000.0)
        _check_number("jitter", self.jitter, 0.0, 1.0)
        errors = self.non_retryable
        if not isinstance(errors, tuple) or not all(isinstance(e, type) and issubclass(e, BaseException) for e in errors):
            raise InvalidOption(f"non_retryable is {errors!r}", hint="use a tuple of exception classes, as in (ValueError,).")

    def is_final(self, error: BaseException) -> bool:
        """Whether no further attempt could help."""
        return is_among(error, (*FINAL, *self.non_retryable))

    def wait_after(self, attempt: int) -> float | None:
        """Seconds until the next attempt, after `attempt` executions failed; None when there is none."""
        if self.max_attempts is not None and attempt >= self.max_attempts:
            return None
        growth = float(self.factor) ** min(attempt - 1, LONGEST_FACTOR_STEPS)
        wait = min(seconds_of(self.first, "first") * growth, seconds_of(self.most, "most"))
        return wait * (1.0 - self.jitter * random.random())

    def strategy(self) -> dict[str, Any]:
        """The same policy as a task's `retry_strategy`, which the database counts by (without jitter)."""
        return {
            "kind": "exponential",
            "base_seconds": seconds_of(self.first, "first"),
            "factor": float(self.factor),
            "max_seconds": seconds_of(self.most, "most"),
        }


def strategy_of(retry: Retry | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The JSON document of a task's policy. Raises: InvalidOption."""
    if isinstance(retry, Retry):
        return retry.strategy()
    if retry is None or isinstance(retry, Mapping):
        return retry
    raise InvalidOption(f"retry is {retry!r}", hint='use Retry(...), or a strategy such as {"kind": "fixed", "base_seconds": 5}.')


def check_attempts(max_attempts: object) -> int | None:
    """Raises: InvalidOption."""
    if max_attempts is None:
        return None
    if type(max_attempts) is not int or not 1 <= max_attempts <= MOST_ATTEMPTS:
        raise InvalidOption(f"max_attempts is {max_attempts!r}", hint=f"use a whole number from 1 to {MOST_ATTEMPTS}, or None.")
    return max_attempts


MOST_ATTEMPTS = 1_000_000


def _check_number(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidOption(f"{name} is {value!r}", hint=f"use a number from {least:g} to {most:g}.")


def is_among(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether it is one of these, or a group with one of them in it, as an asyncio.TaskGroup raises."""
    if isinstance(error, BaseExceptionGroup):
        return isinstance(error, kinds) or any(is_among(each, kinds) for each in error.exceptions)
    return isinstance(error, kinds)


__all__ = ["FINAL", "Retry", "check_attempts", "is_among", "strategy_of"]
