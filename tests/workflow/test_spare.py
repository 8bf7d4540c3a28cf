"""The application's own connections: kept for the next request, and never one that is not fit for it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import pytest

from fixtures.database import Database
from tollway import Tollway
from tollway.workflow import spare


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


def test_no_more_than_a_few_are_kept(app: Tollway, db: Database) -> None:
    together = threading.Barrier(spare.MOST + 2)

    def request() -> None:
        with lend(app) as connection:
            connection.execute("select 1")
            together.wait(30)

    threads = [threading.Thread(target=request) for _ in range(spare.MOST + 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    db.one("select count(*) from pg_stat_activity, pg_sleep(0)")
    kept = app.spares._sync[app.dsn]
    assert len(kept._idle) == spare.MOST


def test_a_child_process_leaves_its_parents_connection_alone(app: Tollway) -> None:
    first = backend(app)
    child = os.fork()
    if child == 0:
        os._exit(0 if backend(app) != first else 1)

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
