"""One execution of a step's body, with its time-out."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from tollway.errors import StepTimedOut

Body = Callable[..., Any]


async def body_async(step: str, fn: Body, args: tuple[Any, ...], kwargs: Mapping[str, Any], timeout: float | None) -> Any:
    """Await a coroutine function, call a plain one; one with a time-out is called in a thread.

    Raises:
        StepTimedOut: it ran longer. A coroutine is cancelled; a thread cannot be, and its result is discarded.
    """
    if timeout is None:
        value = fn(*args, **kwargs)
        return await value if isawaitable(value) else value
    try:
        async with asyncio.timeout(timeout) as limit:
            if iscoroutinefunction(fn):
                return await fn(*args, **kwargs)
            value = await asyncio.to_thread(fn, *args, **kwargs)
            return await value if isawaitable(value) else value
    except TimeoutError:
        if limit.expired():
            raise _timed_out(step, timeout) from None
        raise


def body_sync(step: str, fn: Body, args: tuple[Any, ...], kwargs: Mapping[str, Any], timeout: float | None) -> Any:
    """Call it; with a time-out, in a thread of its own. Raises: as `body_async`."""
    if timeout is None:
        return fn(*args, **kwargs)
    outcome: Future[Any] = Future()

    def execute() -> None:
        try:
            outcome.set_result(fn(*args, **kwargs))
        except BaseException as error:
            outcome.set_exception(error)

    # a daemon: a body that never ends must not keep the process from ending
    threading.Thread(target=partial(contextvars.copy_context().run, execute), name=f"tollway step {step}", daemon=True).start()
    try:
        return outcome.result(timeout)
    except TimeoutError:
        if outcome.done():
            raise  # the body's own
        raise _timed_out(step, timeout) from None


def _timed_out(step: str, timeout: float) -> StepTimedOut:
    return StepTimedOut(f"step {step!r} ran longer than {timeout:g} s", hint="raise its timeout, or give it a retry policy.")
