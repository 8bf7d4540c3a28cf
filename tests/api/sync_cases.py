"""The workflows that the API's tests run, as plain functions.

GENERATED from cases.py by tools/generate_sync.py: change that file.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel

from tollway import NonRetryable, Retry, SyncContext, Tollway, step
from tollway.errors import AwaitTimedOut, ChildFailed, TollwayError
from tollway.model import Move

Notes = list[Any]


class Item(BaseModel):
    sku: str
    count: int


@dataclass
class Order:
    id: int
    items: list[Item]
    due: timedelta


@dataclass
class Receipt:
    order: int
    skus: tuple[str, ...]


class Flaky:
    """Fails as often as it is told, then returns how often it was called."""

    def __init__(self, failures: int, error: Callable[[], Exception] = lambda: OSError("no answer")) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error()
        return self.calls


def retrying(app: Tollway, flaky: Flaky, retry: Retry) -> Any:
    @app.workflow(max_attempts=1)
    def retries(ctx: SyncContext) -> list[int]:
        calls = ctx.options(retry=retry).step("call", flaky)
        return [calls, ctx.attempt]

    return retries


def marked(app: Tollway, flaky: Flaky) -> Any:
    @step(retry=Retry(max_attempts=3, first=0.001), timeout=10)
    def call() -> int:
        return flaky()

    @app.workflow(max_attempts=1)
    def marked_step(ctx: SyncContext) -> int:
        return ctx.step("call", call)

    return marked_step


def permanent(app: Tollway, notes: Notes) -> Any:
    @app.workflow(max_attempts=5)
    def gives_up(ctx: SyncContext) -> None:
        notes.append(ctx.attempt)
        raise NonRetryable("the card does not exist")

    return gives_up


def too_slow(app: Tollway, patience: float, takes: float) -> Any:
    def slow() -> str:
        time.sleep(takes)
        return "done"

    @app.workflow(max_attempts=1)
    def slow_step(ctx: SyncContext) -> str:
        return ctx.options(timeout=patience).step("slow", slow)

    return slow_step


def meeting(app: Tollway, count: int) -> Any:
    @app.workflow(max_attempts=1)
    def meets(ctx: SyncContext) -> list[int]:
        together = threading.Barrier(count)

        def arrive(number: int) -> int:
            together.wait()  # ends only if all of them run at the same time
            return number * 10

        return ctx.map("arrive", arrive, range(count))

    return meets


def mapping(app: Tollway, notes: Notes, bad: set[int]) -> Any:
    @app.workflow(max_attempts=2, retry={"kind": "none"})
    def maps(ctx: SyncContext) -> list[int]:
        def double(number: int) -> int:
            notes.append(number)
            if number in bad:
                bad.discard(number)
                raise OSError(f"{number} failed")
            return number * 2

        return ctx.map("double", double, [1, 2, 3], key=lambda n: f"n{n}")

    return maps


def branching(app: Tollway, notes: Notes) -> Any:
    @app.workflow(max_attempts=1)
    def branches(ctx: SyncContext) -> list[int]:
        def branch(number: int) -> int:
            ctx.step(f"begin {number}", notes.append, f"begin {number}")
            ctx.sleep(3600 * number, name=f"nap {number}")
            ctx.step(f"end {number}", notes.append, f"end {number}")
            return number

        return ctx.gather(lambda: branch(1), lambda: branch(2))

    return branches


def waiting_branches(app: Tollway) -> Any:
    @app.workflow(max_attempts=1)
    def waits(ctx: SyncContext) -> list[Any]:
        def branch(number: int) -> Any:
            return ctx.wait_for_event(f"go {number}")

        return ctx.gather(lambda: branch(1), lambda: branch(2))

    return waits


def unnamed_in_branch(app: Tollway) -> Any:
    @app.workflow(max_attempts=1)
    def unnamed(ctx: SyncContext) -> Any:
        def branch(number: int) -> None:
            ctx.sleep(number)

        return ctx.gather(lambda: branch(1), lambda: branch(2))

    return unnamed


def recording(app: Tollway, notes: Notes) -> Any:
    @app.workflow
    def records(ctx: SyncContext) -> None:
        values = [str(ctx.now()), ctx.random(), str(ctx.uuid()), ctx.random(name="dice")]
        notes.append(values)
        ctx.sleep(60)
        ctx.sleep_until(ctx.now(name="soon") + timedelta(seconds=60), name="until")

    return records


def logging_one(app: Tollway) -> Any:
    @app.workflow
    def logs(ctx: SyncContext) -> None:
        ctx.logger.warning("began")
        ctx.step("first", lambda: None)
        ctx.logger.warning("first done")
        ctx.sleep(60)
        ctx.logger.warning("woke")

    return logs


def reordered(app: Tollway, sleeps_first: list[bool]) -> Any:
    @app.workflow(max_attempts=1)
    def changes(ctx: SyncContext) -> None:
        if not sleeps_first[0]:
            ctx.step("new step", lambda: None)
        ctx.sleep(60)
        ctx.sleep(60)

    return changes


def typed(app: Tollway, notes: Notes) -> Any:
    def pack(order: Order) -> Receipt:
        return Receipt(order.id, tuple(item.sku for item in order.items))

    @app.workflow(max_attempts=1)
    def ships(ctx: SyncContext, order: Order, express: bool = False) -> Receipt:
        receipt = ctx.step("pack", pack, order)
        ctx.sleep(60)
        notes.append((order, express, receipt))
        return receipt

    return ships


def wrong_result(app: Tollway) -> Any:
    @app.workflow(max_attempts=3)
    def lies(ctx: SyncContext) -> Receipt:
        return {"order": "seven", "skus": []}  # type: ignore[return-value]

    return lies


def family(app: Tollway, child: Callable[..., Any]) -> Any:
    """A parent of three children, which asks for their results only once all are started."""

    @app.workflow(name="grown", max_attempts=1)
    def grown(ctx: SyncContext, number: int) -> int:
        return ctx.step("grow", child, number)

    @app.workflow(name="parent", max_attempts=1)
    def parent(ctx: SyncContext) -> list[int]:
        children = [ctx.start_child(grown, number) for number in (1, 2, 3)]
        return ctx.gather(*(child.result for child in children))

    return parent


def failing_child(app: Tollway, notes: Notes) -> Any:
    @app.workflow(name="fails", max_attempts=1)
    def fails(ctx: SyncContext) -> None:
        raise OSError("no luck")

    @app.workflow(name="parent", max_attempts=3)
    def parent(ctx: SyncContext, catches: bool) -> str:
        try:
            ctx.run_child(fails)
        except ChildFailed as error:
            notes.append((error.state, error.reason["name"]))
            if not catches:
                raise
        return "went on"

    return parent


def impatient(app: Tollway) -> Any:
    @app.workflow(name="never", max_attempts=1)
    def never(ctx: SyncContext) -> None:
        ctx.wait_for_event("never")

    @app.workflow(name="parent", max_attempts=3)
    def parent(ctx: SyncContext, detached: bool) -> str:
        child = ctx.start_child(never, key="the one", detached=detached)
        try:
            child.result(timeout=60)
        except AwaitTimedOut:
            return "timed out"
        return "ended"

    return parent


def nested(app: Tollway) -> Any:
    @app.workflow(name="nested", max_attempts=1)
    def deep(ctx: SyncContext, depth: int) -> int:
        return 0 if depth == 0 else 1 + ctx.run_child("nested", depth - 1)

    return deep


def booking(app: Tollway, body: Callable[..., Any]) -> Any:
    """`body(connection, n)` in a transaction, which also starts a child and emits an event."""

    @app.workflow(name="after", max_attempts=1)
    def after(ctx: SyncContext, n: int) -> int:
        return n + 1

    @app.workflow(name="books", max_attempts=2, retry={"kind": "none"})
    def books(ctx: SyncContext, n: int) -> list[Any]:
        def book(connection: Any) -> int:
            value: int = body(connection, n)
            ctx.emit_event("booked", n)
            ctx.start_child(after, n, key="after")
            return value

        booked = ctx.transaction("book", book)
        return [booked, ctx.child(after, "after").result(), ctx.wait_for_event("booked")]

    return books


def step_in_transaction(app: Tollway) -> Any:
    @app.workflow(max_attempts=1)
    def confused(ctx: SyncContext) -> str:
        def body(connection: Any) -> None:
            ctx.step("inner", lambda: None)

        try:
            ctx.transaction("outer", body)
        except TollwayError as error:
            return str(error)
        return "no error"

    return confused


def alerting(app: Tollway, notes: Notes) -> Any:
    @app.workflow(max_attempts=1)
    def breaks(ctx: SyncContext, n: int) -> None:
        if n:
            raise OSError(f"broken by {n}")

    @app.on_failure(breaks)
    def alert(ctx: SyncContext, move: Move) -> None:
        notes.append((move.task_name, move.to_state, move.error["message"]))

    @app.on_completion(breaks)
    def cheer(ctx: SyncContext, move: Move) -> None:
        notes.append((move.task_name, move.to_state, move.result))

    @app.on_cancellation()
    def sorry(ctx: SyncContext, move: Move) -> None:
        notes.append((move.task_name, move.to_state, move.from_state))

    return breaks


def keyed(app: Tollway, notes: Notes) -> Any:
    """Fails once, after it has told a service its key."""

    @app.workflow(max_attempts=2, retry={"kind": "none"})
    def pays(ctx: SyncContext) -> None:
        def pay() -> None:
            notes.append(ctx.idempotency_key("pay"))
            if len(notes) == 1:
                raise OSError("no answer")

        ctx.step("pay", pay)

    return pays


def step_in_step(app: Tollway) -> Any:
    @app.workflow(max_attempts=1)
    def nests(ctx: SyncContext) -> None:
        def body() -> None:
            ctx.step("inner", lambda: None)

        ctx.step("outer", body)

    return nests


def branches_before_a_sleep(app: Tollway, late: Any) -> Any:
    """On the first execution the first branch ends last; a replay runs the branches one after the other."""

    @app.workflow(max_attempts=1)
    def crosses(ctx: SyncContext) -> str:
        def slow() -> None:
            late.wait()

        def first() -> None:
            ctx.step("first 1", slow)
            ctx.step("first 2", lambda: None)

        def second() -> None:
            ctx.step("second 1", lambda: None)
            ctx.step("second 2", late.set)

        ctx.gather(first, second)
        ctx.sleep(60)
        return "woke"

    return crosses


def logging_after_what_is_not_met_again(app: Tollway, flaky: Flaky) -> Any:
    """Neither the wait between two tries nor a transaction's child comes by in a later execution."""

    @app.workflow(name="logged", max_attempts=1)
    def logged(ctx: SyncContext) -> None: ...

    @app.workflow(max_attempts=1)
    def logs_on(ctx: SyncContext) -> None:
        def book(connection: Any) -> None:
            ctx.start_child(logged, key="logged")

        ctx.options(retry=Retry(first=60)).step("call", flaky)
        ctx.transaction("book", book)
        ctx.logger.warning("booked")
        ctx.sleep(60)
        ctx.logger.warning("woke")

    return logs_on


def partial_step(app: Tollway, notes: Notes) -> Any:
    """The annotations and the policy of the function in a partial count."""

    @step(retry=Retry(max_attempts=2, first=0.001))
    def pack(number: int, sku: str) -> Receipt:
        notes.append(number)
        if len(notes) == 1:
            raise OSError("no paper")
        return Receipt(number, (sku,))

    @app.workflow(max_attempts=1)
    def packs(ctx: SyncContext) -> Receipt:
        return ctx.step("pack", partial(pack, 7), "a")

    return packs


def given_no_function(app: Tollway, given: Any) -> Any:
    @app.workflow(max_attempts=1)
    def confused(ctx: SyncContext) -> None:
        ctx.step("charge", given)

    return confused


def only_by_keyword(app: Tollway) -> Any:
    @app.workflow(max_attempts=1)
    def doubles(ctx: SyncContext, *, n: int) -> int:
        return n * 2

    return doubles


def meeting_in_time(app: Tollway, count: int) -> Any:
    @app.workflow(max_attempts=1)
    def meets(ctx: SyncContext) -> list[int]:
        together = threading.Barrier(count)

        def arrive(number: int) -> int:
            together.wait()  # blocks its thread, and ends only if all of them run at the same time
            return number

        return ctx.options(timeout=10).map("arrive", arrive, range(count))

    return meets


def cancelled_item(app: Tollway) -> Any:
    """A body whose own cancellation is an error like any other, whichever library raised it."""

    @app.workflow(max_attempts=1)
    def maps(ctx: SyncContext) -> None:
        def item(number: int) -> int:
            if number == 1:
                raise asyncio.CancelledError
            time.sleep(0.01)
            return number

        ctx.map("item", item, [1, 2, 3])

    return maps


def sleeping(app: Tollway, seconds: float) -> Any:
    @app.workflow(max_attempts=1)
    def sleeps(ctx: SyncContext) -> None:
        ctx.sleep(seconds)

    return sleeps
