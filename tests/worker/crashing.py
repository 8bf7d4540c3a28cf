"""An application whose workers die at named points; run by `tollway worker` in a process of its own.

The environment says which point (`TOLLWAY_CRASH_AT`), and where to write that it was reached (`TOLLWAY_REACHED`):
a crash test that never crashes proves nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from tollway.workflow import Context, Retry, SyncContext, Tollway, policy

HELD = 0.05
"""The longest wait that is not stored, where it is five seconds otherwise: no test has to sit that out."""
if "TOLLWAY_CRASH_AT" in os.environ:  # the process of its own; a test's own sets it by monkeypatch
    policy.LONGEST_HELD_WAIT = HELD

POINTS = (
    "handler begins",
    "in step 1",
    "after step 1",
    "in step 2",
    "after step 2",
    "after the sleep",
    "before the end",
)

RICH_POINTS = (
    "in the transaction",
    "before the commit",
    "after the commit",
    "in item 2",
    "after the map",
    "child started",
    "in the child",
    "in the flaky step",
    "child awaited",
)

app = Tollway()


def crash_point(name: str) -> None:
    """Die here, as the kernel would have it, if this is the chosen point and it was not reached before."""
    if os.environ.get("TOLLWAY_CRASH_AT") == name:
        reached = Path(os.environ["TOLLWAY_REACHED"])
        if not reached.exists():
            reached.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)


def body(step: int) -> int:
    with Path(os.environ["TOLLWAY_BODIES"]).open("a") as bodies:
        bodies.write(f"{step}\n")
    crash_point(f"in step {step}")
    return step * 10


@app.workflow
async def small(ctx: Context) -> list[int]:
    crash_point("handler begins")
    one = await ctx.step("one", body, 1)
    crash_point("after step 1")
    two = await ctx.step("two", body, 2)
    crash_point("after step 2")
    await ctx.sleep(0.01)
    crash_point("after the sleep")
    three = await ctx.step("three", body, 3)
    crash_point("before the end")
    return [one, two, three]


@app.workflow(max_attempts=3, retry={"kind": "none"})
async def grows(ctx: Context, n: int) -> int:
    crash_point("in the child")
    return n + 1


@app.workflow(max_attempts=3, retry={"kind": "none"})
async def rich(ctx: Context) -> list[object]:
    """A transaction, a map, a child, and a step whose retry waits in the database."""

    async def book(connection: Any) -> str:
        await connection.execute("insert into booking values (1)")
        crash_point("in the transaction")
        return "booked"

    async def item(n: int) -> int:
        if n == 2:
            crash_point("in item 2")
        return body(n)

    def flaky() -> str:
        failed = Path(os.environ["TOLLWAY_REACHED"] + ".failed")
        if not failed.exists():
            failed.write_text("once")
            raise OSError("once")
        crash_point("in the flaky step")
        return "worked"

    booked = await ctx.transaction("book", book)
    items = await ctx.map("item", item, [1, 2, 3])
    crash_point("after the map")
    child = await ctx.start_child(grows, 41, key="the child")
    crash_point("child started")
    worked = await ctx.options(retry=Retry(first=0.06, jitter=0)).step("flaky", flaky)
    grown = await child.result()
    crash_point("child awaited")
    return [booked, items, worked, grown]


@asynccontextmanager
async def booking_connection() -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(os.environ["TOLLWAY_BOOKING"]) as connection:
        yield connection
        crash_point("before the commit")
        await connection.commit()
        crash_point("after the commit")


app.registry.connect = booking_connection


@app.workflow
async def stays(ctx: Context) -> None:
    """Runs until its worker stops it."""
    _say_started()
    await asyncio.Event().wait()


@app.workflow
def stays_in_a_thread(ctx: SyncContext) -> None:
    """Cannot be stopped."""
    _say_started()
    threading.Event().wait()


@app.workflow
async def stays_whatever_it_is_told(ctx: Context) -> None:
    """Swallows each cancellation."""
    _say_started()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@app.workflow
async def quick(ctx: Context, n: int) -> int:
    return await ctx.step("double", lambda: 2 * n)


@app.workflow
async def until_told(ctx: Context, path: str) -> str:
    """Runs until a file appears."""
    _say_started()

    async def appears() -> bool:
        while not Path(path).exists():
            await asyncio.sleep(0.01)
        return True

    await ctx.step("wait", appears)
    return "finished"


def _say_started() -> None:
    Path(os.environ["TOLLWAY_REACHED"]).write_text("started")
