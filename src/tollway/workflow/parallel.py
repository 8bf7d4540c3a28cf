"""Branches of one workflow that run at the same time: as coroutines, or in threads.

A branch that fails does not stop the others: what they have begun is finished and recorded. Only then the first
failure is raised; or, if branches wait, the task is suspended once, for all of them.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from inspect import isawaitable
from typing import Any

from tollway.errors import InvalidOption
from tollway.workflow.control import Dropped, Suspended, combined
from tollway.workflow.journal import Journal

MOST_THREADS = 64

Branch = Callable[[], Any]
Settled = tuple[Any, BaseException | None]


async def parallel_async(journal: Journal, branches: Sequence[Branch], concurrency: int | None = None) -> list[Any]:
    """The results of the branches, in their order; `concurrency` at a time."""
    limit = asyncio.Semaphore(_checked(concurrency) or max(1, len(branches)))

    async def settled(branch: Branch) -> Settled:
        async with limit:
            try:
                return await branch(), None
            except asyncio.CancelledError as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise  # we are told to stop; else it is the body's own
                return None, error
            except BaseException as error:  # a suspension too: the others go on
                return None, error

    with journal.beside():
        ends = await asyncio.gather(*map(settled, branches))
    return _results(journal, ends)


def parallel_sync(journal: Journal, branches: Sequence[Branch], concurrency: int | None = None) -> list[Any]:
    """As `parallel_async`, each branch in a thread of its own, at most 64 at a time."""
    if not branches:
        return []

    def settled(branch: Branch) -> Settled:
        try:
            return branch(), None
        except BaseException as error:
            return None, error

    threads = min(_checked(concurrency) or len(branches), len(branches), MOST_THREADS)
    with journal.beside(), ThreadPoolExecutor(threads, thread_name_prefix="tollway-branch") as pool:
        ends = [pool.submit(contextvars.copy_context().run, settled, branch) for branch in branches]
        done = [end.result() for end in ends]
    return _results(journal, done)


def branch_async(branch: Awaitable[Any]) -> Branch:
    """Raises: InvalidOption, for what cannot be awaited."""
    if not isawaitable(branch):
        raise InvalidOption(f"gather was given {branch!r}", hint="give it awaitables: ctx.gather(ctx.step(...), ctx.step(...)).")
    return lambda: branch


def branch_sync(branch: Branch) -> Branch:
    """Raises: InvalidOption, for what cannot be called."""
    if not callable(branch):
        raise InvalidOption(f"gather was given {branch!r}", hint="give it functions: ctx.gather(lambda: ctx.step(...), ...).")
    return branch


def _results(journal: Journal, ends: Sequence[Settled]) -> list[Any]:
    errors = [error for _, error in ends if error is not None]
    for error in errors:
        if isinstance(error, Dropped):
            raise error
    waits = [error for error in errors if isinstance(error, Suspended)]
    for error in errors:
        if not isinstance(error, Suspended):
            raise error
    if waits:
        raise journal.suspend(combined(waits, journal.now()))
    return [value for value, _ in ends]


def _checked(concurrency: object) -> int | None:
    if concurrency is None:
        return None
    if type(concurrency) is not int or concurrency < 1:
        raise InvalidOption(f"concurrency is {concurrency!r}", hint="use a whole number of at least 1, or None.")
    return concurrency
