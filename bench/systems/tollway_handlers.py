"""Tollway's workflows. A file of their own, as their annotations are looked up in it; each takes a number and a body."""

# ruff: noqa: ARG001
from __future__ import annotations

from typing import Any

from harness.system import System

from tollway import Context, SyncContext, Tollway
from tollway.workflow.definition import Handler

QUEUE = "bench"


def app_of(system: System) -> Tollway:
    """An application with a workflow of each kind."""
    marks = system.marks
    app = Tollway(system.dsn, queue=QUEUE)

    def echo(number: int) -> int:
        return number

    async def noop(_ctx: Context, number: int, body: Any) -> None:
        marks.hit()

    async def steps(ctx: Context, number: int, body: int) -> int:
        marks.begin()
        total = sum([await ctx.step(f"step {n}", echo, n) for n in range(body)])
        marks.hit()
        return total

    async def stamp(_ctx: Context, number: int, body: Any) -> int:
        marks.stamp(number)
        return number

    async def wait(ctx: Context, number: int, body: Any) -> int:
        payload: int = await ctx.wait_for_event(f"event {number}")
        marks.stamp(number)
        return payload

    async def wait_all(ctx: Context, number: int, body: Any) -> int:
        payload: int = await ctx.wait_for_event("event of all")
        marks.stamp(number)
        return payload

    def noop_sync(_ctx: SyncContext, number: int, body: Any) -> None:
        marks.hit()

    def steps_sync(ctx: SyncContext, number: int, body: int) -> int:
        marks.begin()
        total = sum(ctx.step(f"step {n}", echo, n) for n in range(body))
        marks.hit()
        return total

    handlers: tuple[Handler, ...] = (noop, steps, stamp, wait, wait_all, noop_sync, steps_sync)
    for handler in handlers:
        app.workflow(handler)
    return app
