"""Workflows that a crash would harm, each in one way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psycopg

from tollway import Context, SyncContext, Tollway
from tollway.testing import TestDatabase


@dataclass
class Globals:
    """What a process keeps in memory, and a crash does not bring back."""

    counter: Iterator[int] = field(default_factory=count)
    dsn: str = ""

    def reset(self, database: TestDatabase) -> None:
        self.counter = count()
        self.dsn = database.dsn


Make = Callable[[Tollway, Globals], Any]


def random_result(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def lottery(ctx: Context) -> float:
        await ctx.step("enter", lambda: True)
        return random.random()

    return lottery


def counter_in_result(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def counts(ctx: Context) -> int:
        number = next(kept.counter)
        await ctx.step("only", lambda: "same")
        return number

    return counts


def counter_in_result_sync(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    def counts(ctx: SyncContext) -> int:
        number = next(kept.counter)
        ctx.step("only", lambda: "same")
        return number

    return counts


def counter_as_argument(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def passes(ctx: Context) -> None:
        await ctx.step("first", lambda number: None, {"number": next(kept.counter)})

    return passes


def counter_closed_over(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    def closes(ctx: SyncContext) -> None:
        number = next(kept.counter)
        ctx.step("first", lambda: bool(number) and False)

    return closes


def other_order(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def swaps(ctx: Context) -> None:
        names = ["left", "right"] if next(kept.counter) == 0 else ["right", "left"]
        for name in names:
            await ctx.step(name, lambda: None)

    return swaps


def fewer_steps(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    def skips(ctx: SyncContext) -> None:
        if next(kept.counter) == 0:
            ctx.step("only at first", lambda: None)

    return skips


def random_name(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def names(ctx: Context) -> None:
        await ctx.step(f"step {next(kept.counter)}", lambda: None)

    return names


def random_value(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def draws(ctx: Context) -> None:
        await ctx.step("draw", random.random)

    return draws


def counted_value(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def numbers(ctx: Context) -> None:
        await ctx.step("number", lambda: next(kept.counter))

    return numbers


async def insert_row(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("insert into charged default values")


def charges_twice(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def pays(ctx: Context) -> None:
        await ctx.step("charge", lambda: insert_row(kept.dsn))

    return pays


def starts_twice(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def mail(ctx: Context) -> None:
        return None

    async def start() -> None:
        await app.start(mail)

    @app.workflow
    async def notifies(ctx: Context) -> None:
        await ctx.step("start", start)

    return notifies


def one_attempt(app: Tollway, kept: Globals) -> Any:
    @app.workflow(max_attempts=1)
    async def once(ctx: Context) -> None:
        await ctx.step("only", lambda: None)

    return once


def attempt_in_result(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def tells(ctx: Context) -> int:
        return ctx.attempt

    return tells


def waits_after_a_crash(app: Tollway, kept: Globals) -> Any:
    @app.workflow
    async def waits(ctx: Context) -> None:
        if next(kept.counter) > 0:
            await ctx.wait_for_event("rescue")

    return waits


def forgets_a_record(app: Tollway, kept: Globals) -> Any:
    def forget() -> None:
        with psycopg.connect(kept.dsn, autocommit=True) as owner:
            owner.execute("alter table absurd.checkpoint disable trigger all")
            owner.execute("delete from absurd.checkpoint where checkpoint_name = 'first'")
            for (name,) in owner.execute("select tgname from pg_trigger where tgrelid = 'absurd.checkpoint'::regclass").fetchall():
                owner.execute(f"alter table absurd.checkpoint enable always trigger {name}")

    @app.workflow
    async def forgets(ctx: Context) -> None:
        await ctx.step("first", lambda: 1)
        await ctx.step("forget", lambda: asyncio.to_thread(forget))

    return forgets
