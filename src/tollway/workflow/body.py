"""One execution of a step's body, with its time-out."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from functools import partial
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any

from tollway.errors import InvalidOption, StepTimedOut

Body = Callable[..., Any]

PLAIN = frozenset({type(None), bool, int, float, str, list, dict, tuple})
"""What is no awaitable at first sight: to ask that of a value costs as much as to encode it."""
inside: ContextVar[str | None] = ContextVar("tollway_step", default=None)
"""The step whose body runs here."""


async def body_async(step: str, fn: Body, args: tuple[Any, ...], kwargs: Mapping[str, Any], timeout: float | None) -> Any:
    """Await a coroutine function, call a plain one; one with a time-out is called in a thread of its own.

    Raises:
        StepTimedOut: it ran longer. A coroutine is cancelled; a thread cannot be, and its result is discarded.
    """
    token = inside.set(step)
    try:
        if timeout is None:
            value = fn(*args, **kwargs)
            return await value if isawaitable(value) else value
        async with asyncio.timeout(timeout) as limit:
            if iscoroutinefunction(fn):
                return await fn(*args, **kwargs)
            value = await asyncio.wrap_future(_in_thread(step, fn, args, kwargs))
            return await value if isawaitable(value) else value
    except TimeoutError:
        if timeout is not None and limit.expired():
            raise _timed_out(step, timeout) from None
        raise
    finally:
        inside.reset(token)


def body_sync(step: str, fn: Body, args: tuple[Any, ...], kwargs: Mapping[str, Any], timeout: float | None) -> Any:
    """Call it; with a time-out, in a thread of its own. Raises: as `body_async`."""
    token = inside.set(step)
    try:
        if timeout is None:
            return not_a_coroutine(step, fn(*args, **kwargs))
        outcome = _in_thread(step, fn, args, kwargs)
        return not_a_coroutine(step, outcome.result(timeout))
    except TimeoutError:
        if timeout is None or outcome.done():
            raise  # the body's own
        raise _timed_out(step, timeout) from None
    finally:
        inside.reset(token)


def check_body(step: str, fn: object) -> None:
    """Raises: InvalidOption, for what cannot be called."""
    if callable(fn):
        return
    if iscoroutine(fn):
        fn.close()  # so that Python does not warn of it, too
        raise InvalidOption(
            f"step {step!r} was given a coroutine, which runs only once",
            hint=f"give it the function and its arguments: ctx.step({step!r}, {fn.__name__}, ...).",
        )
    raise InvalidOption(f"step {step!r} was given {fn!r}", hint="give it a function and its arguments: ctx.step(name, function, ...).")


def not_a_coroutine(step: str, value: Any) -> Any:
    """Raises: InvalidOption, for the value of an `async def` body, which a thread has no event loop for."""
    if iscoroutine(value):
        value.close()
        raise InvalidOption(
            f"the body of step {step!r} is a coroutine function, and its workflow is a plain one",
            hint="declare the workflow with `async def`, or give the step a plain function.",
        )
    return value


def _in_thread(step: str, fn: Body, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Future[Any]:
    """Call it in a thread of its own: in a pool it could wait for its turn until its time is over."""
    outcome: Future[Any] = Future()
    outcome.set_running_or_notify_cancel()

    def execute() -> None:
        try:
            outcome.set_result(fn(*args, **kwargs))
        except BaseException as error:
            outcome.set_exception(error)

    # a daemon: a body that never ends must not keep the process from ending
    threading.Thread(target=partial(contextvars.copy_context().run, execute), name=f"tollway step {step}", daemon=True).start()
    return outcome


def _timed_out(step: str, timeout: float) -> StepTimedOut:
    return StepTimedOut(f"step {step!r} ran longer than {timeout:g} s", hint="raise its timeout, or give it a retry policy.")
