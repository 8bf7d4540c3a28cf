"""The application's own connections: kept for the next request, and never one that is not fit for it."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import warnings
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from fixtures.database import Database
from tollway import Tollway
from tollway.errors import DatabaseUnreachable, TaskFailed
from tollway.workflow import spare
from tollway.workflow.connect import connect_async


@pytest.fixture
def app(db: Database) -> Any:
    app = Tollway(db.dsn, queue="q")
    yield app
    app.close()


@contextmanager
def lend(app: Tollway) -> Iterator[psycopg.Connection[Any]]:
    with app.spares.lend(app.dsn) as client:
        yield client._connection


@asynccontextmanager
async def lend_async(app: Tollway) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with app.spares.lend_async(app.dsn) as client:
        yield client._connection


def backend(app: Tollway) -> int:
    with lend(app) as connection:
        return connection.info.backend_pid


def backends(db: Database) -> int:
    count: int = db.one("select count(*) from pg_stat_activity where datname = current_database() and application_name = 'tollway client'")
    return count


def test_the_next_request_has_the_same_connection(app: Tollway) -> None:
    assert backend(app) == backend(app)


def test_requests_at_the_same_time_have_one_each(app: Tollway) -> None:
    with lend(app) as one, lend(app) as other:
        assert one is not other


def test_a_connection_that_the_server_ended_is_not_given_out(app: Tollway, db: Database) -> None:
    first = backend(app)
    db.one("select pg_terminate_backend(%s, 5000)", first)

    second = backend(app)

    assert second != first


def test_one_whose_request_ended_in_a_transaction_is_not_kept(app: Tollway) -> None:
    with lend(app) as connection:
        first = connection.info.backend_pid
        connection.execute("begin")

    assert backend(app) != first


def test_one_that_was_idle_for_long_is_not_used_again(app: Tollway, monkeypatch: pytest.MonkeyPatch) -> None:
    first = backend(app)
    monkeypatch.setattr(spare, "IDLE_SECONDS", 0.0)

    assert backend(app) != first


def test_an_error_of_the_request_costs_no_connection(app: Tollway) -> None:
    first = backend(app)
    with pytest.raises(psycopg.errors.DivisionByZero), lend(app) as connection:
        connection.execute("select 1 / 0")

    assert backend(app) == first


def test_who_comes_when_all_are_lent_waits_for_one(app: Tollway) -> None:
    with ExitStack() as lent:
        held = [lent.enter_context(lend(app)).info.backend_pid for _ in range(spare.MOST)]
        late: queue.Queue[int] = queue.Queue()
        thread = threading.Thread(target=lambda: late.put(backend(app)))
        thread.start()
        with pytest.raises(queue.Empty):
            late.get(timeout=0.2)
        lent.pop_all().close()

    assert late.get(timeout=30) in held
    thread.join()


def test_in_an_event_loop_it_waits_too(app: Tollway) -> None:
    async def late() -> int:
        async with lend_async(app) as one:
            return one.info.backend_pid

    async def case() -> tuple[list[int], int]:
        async with AsyncExitStack() as lent:
            held = [(await lent.enter_async_context(lend_async(app))).info.backend_pid for _ in range(spare.MOST)]
            task = asyncio.create_task(late())
            assert not (await asyncio.wait({task}, timeout=0.2))[0]
            await lent.pop_all().aclose()
            return held, await task

    held, got = asyncio.run(case())
    assert got in held


def test_who_waited_for_long_has_one_more(app: Tollway, monkeypatch: pytest.MonkeyPatch) -> None:
    """All may be held by starts that wait for a lock of the transaction in which this request is made."""
    monkeypatch.setattr(spare, "PATIENCE", 0.05)

    async def case() -> None:
        async with AsyncExitStack() as lent:
            held = [(await lent.enter_async_context(lend_async(app))).info.backend_pid for _ in range(spare.MOST)]
            async with lend_async(app) as one:
                assert one.info.backend_pid not in held

    asyncio.run(case())
    with ExitStack() as lent:
        held = [lent.enter_context(lend(app)).info.backend_pid for _ in range(spare.MOST)]
        assert backend(app) not in held
    assert len(app.spares._sync[app.dsn]._idle) == spare.MOST  # the one more is not kept


def test_what_a_burst_left_is_closed_by_a_later_request(app: Tollway) -> None:
    with ExitStack() as lent:
        for _ in range(spare.MOST):
            lent.enter_context(lend(app))
    kept = app.spares._sync[app.dsn]
    *others, last = kept._idle
    kept._idle = deque([*((own, since - spare.IDLE_SECONDS) for own, since in others), last])

    backend(app)

    assert [own for own, _ in kept._idle] == [last[0]]
    assert {own.connection.closed for own, _ in others} == {True}


def test_many_who_wait_for_results_share_them(app: Tollway, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    async def connect(dsn: str) -> Any:
        opened.append(dsn)
        return await connect_async(dsn)

    monkeypatch.setattr(spare, "connect_async", connect)
    db.one("select absurd.create_queue('q')")
    tasks = Jsonb([{"task_name": "t", "params": None}] * 50)
    ids = [task for (task,) in db.rows("select task_id from absurd.spawn_tasks('q', %s)", tasks)]

    async def case() -> None:
        waiting = [asyncio.create_task(app.handle(each).result()) for each in ids]
        while len(app.waiters) < len(ids) and not any(each.done() for each in waiting):
            await asyncio.sleep(0)
        await asyncio.to_thread(db.rows, "select absurd.cancel_task('q', id) from unnest(%s) as id", ids)
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(end) for end in ends} == {TaskFailed}

    asyncio.run(case())
    assert len(opened) <= spare.MOST


def test_a_child_process_leaves_its_parents_connection_alone(app: Tollway) -> None:
    first = backend(app)
    child = os.fork()
    if child == 0:
        os._exit(0 if backend(app) != first else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert backend(app) == first


def test_a_child_process_that_ends_leaves_them_open(app: Tollway) -> None:
    first = backend(app)
    child = os.fork()
    if child == 0:
        app.close()  # as the end of its interpreter would
        os._exit(0)

    assert os.waitpid(child, 0)[1] == 0
    assert backend(app) == first


def test_each_event_loop_has_its_own(app: Tollway) -> None:
    async def twice() -> tuple[int, int]:
        async with lend_async(app) as one:
            first = one.info.backend_pid
        async with lend_async(app) as one:
            return first, one.info.backend_pid

    first, second = asyncio.run(twice()), asyncio.run(twice())

    assert first[0] == first[1]
    assert second[0] == second[1]
    assert first[0] != second[0]
    assert len(app.spares._async) == 1  # what the loop that has ended left is closed


def test_a_loop_may_begin_while_those_that_have_ended_are_looked_for(app: Tollway) -> None:
    class Other:
        """Of a thread that is given the interpreter here."""

        def is_closed(self) -> bool:
            if new not in app.spares._async:
                app.spares._async[new] = {}
            return False

    new = asyncio.new_event_loop()
    new.close()
    app.spares._async[Other()] = {}  # type: ignore[index]

    app.spares._of_loop(None)

    assert new in app.spares._async


def test_a_request_that_is_cancelled_takes_its_connection_along(app: Tollway) -> None:
    async def cancelled() -> bool:
        started = asyncio.Event()

        async def slow() -> None:
            async with lend_async(app) as one:
                started.set()
                await one.execute("select pg_sleep(60)")

        task = asyncio.create_task(slow())
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        async with lend_async(app) as one:
            return await (await one.execute("select true")).fetchone() == (True,)

    assert asyncio.run(cancelled())


def test_close_ends_them(app: Tollway, db: Database) -> None:
    first = backend(app)
    app.close()

    while db.one("select count(*) from pg_stat_activity where pid = %s", first):
        pass
    assert backend(app) != first


def test_close_leaves_none_to_the_garbage_collector(app: Tollway) -> None:
    """psycopg warns of a connection that is deleted while it is open; under `-W error` that is an error."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with lend(app), lend(app):
            pass
        app.close()

    assert warned == []


def test_a_connection_that_ends_under_a_request_is_an_error_of_ours(app: Tollway, db: Database) -> None:
    """`except DatabaseUnreachable` is what the docs name; the driver's own class does not say that it may have been done."""

    async def case() -> None:
        async with lend_async(app) as one:
            await asyncio.to_thread(db.one, "select pg_terminate_backend(%s, 5000)", one.info.backend_pid)
            await one.execute("select 1")

    def case_sync() -> None:
        with lend(app) as one:
            db.one("select pg_terminate_backend(%s, 5000)", one.info.backend_pid)
            one.execute("select 1")

    with pytest.raises(DatabaseUnreachable) as lost:
        asyncio.run(case())
    assert "may have been done" in str(lost.value.hint)
    with pytest.raises(DatabaseUnreachable):
        case_sync()
