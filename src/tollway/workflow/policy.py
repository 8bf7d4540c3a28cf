"""How a step's body is run: how long, how often, after which waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from tollway.errors import InvalidOption
from tollway.workflow.control import Nap, asleep
from tollway.workflow.durations import Duration, seconds_of
from tollway.workflow.journal import Journal, Recorded
from tollway.workflow.retry import Retry

F = TypeVar("F", bound=Callable[..., Any])

LONGEST_HELD_WAIT = 5.0
"""Seconds. A longer wait is stored and frees the slot."""
ATTRIBUTE = "__tollway_step__"


@dataclass(frozen=True, slots=True)
class StepPolicy:
    """`retry` None: the first failure is the workflow's. `timeout` in seconds, of one execution of the body."""

    retry: Retry | None = None
    timeout: float | None = None

    def over(self, retry: Retry | None, timeout: Duration | None) -> StepPolicy:
        """This policy with what is given here instead. Raises: InvalidOption."""
        if retry is not None and not isinstance(retry, Retry):
            raise InvalidOption(f"retry is {retry!r}", hint="use Retry(max_attempts=3).")
        seconds = None if timeout is None else seconds_of(timeout, "the timeout of a step")
        if seconds == 0:
            raise InvalidOption("the timeout of a step is 0", hint="use a duration above zero, or None.")
        changed = self if retry is None else replace(self, retry=retry)
        return changed if seconds is None else replace(changed, timeout=seconds)


NO_POLICY = StepPolicy()


def step(*, retry: Retry | None = None, timeout: Duration | None = None) -> Callable[[F], F]:
    """Give a function the policy it is run with as a step; `ctx.options(...)` overrules it.

    Raises:
        InvalidOption: not a policy, or a time-out of zero.
    """
    policy = NO_POLICY.over(retry, timeout)

    def mark(fn: F) -> F:
        setattr(fn, ATTRIBUTE, policy)
        return fn

    return mark


def policy_of(fn: Callable[..., Any], given: StepPolicy) -> StepPolicy:
    """What the function was marked with, overruled by what the context was given."""
    marked = getattr(fn, ATTRIBUTE, None)
    if marked is None and isinstance(fn, partial):
        marked = getattr(fn.func, ATTRIBUTE, None)
    if marked is None or marked is NO_POLICY or not isinstance(marked, StepPolicy):
        return given
    return StepPolicy(retry=given.retry or marked.retry, timeout=given.timeout or marked.timeout)


class Failures:
    """Counts a step's failures in one attempt at the workflow, those before a stored wait included."""

    __slots__ = ("_count", "_journal", "_retry", "_step")

    def __init__(self, journal: Journal, step: str, retry: Retry | None) -> None:
        self._journal = journal
        self._step = step
        self._retry = retry
        self._count = 0
        if retry is not None:
            self._resume()

    def wait_after(self, error: Exception) -> float:
        """Seconds to wait before the body runs again, at most five.

        Raises:
            error: no further attempt is made.
            Suspended: the wait is longer, and stored.
        """
        self._count += 1
        if self._retry is None or self._retry.is_final(error):
            raise error
        wait = self._retry.wait_after(self._count)
        if wait is None:
            raise error
        if wait <= LONGEST_HELD_WAIT:
            return wait
        note: dict[str, object] = {"failures": self._count, "error": type(error).__name__, "message": _message(error)}
        stored = self._journal.retry_step(self._step, self._waits() + 1)
        raise self._journal.suspend(asleep(Nap(stored, wait, note))) from None

    def _resume(self) -> None:
        for ordinal in range(1, self._waits() + 1):
            recorded = self._journal.recorded(self._journal.retry_step(self._step, ordinal))
            assert recorded is not None
            state = recorded["state"]
            self._count = int(state["failures"])
            check_nap(self._journal, recorded)

    def _waits(self) -> int:
        ordinal = 0
        while self._journal.recorded(self._journal.retry_step(self._step, ordinal + 1)) is not None:
            ordinal += 1
        return ordinal


def check_nap(journal: Journal, recorded: Recorded) -> None:
    """A recorded wait is over, unless a parallel branch woke the task before its time. Raises: Suspended."""
    left = journal.left_of(recorded)
    if left > 0:
        raise journal.suspend(asleep(Nap(None, left)))


def _message(error: Exception) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(the exception's message could not be read)"
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()[:500]
