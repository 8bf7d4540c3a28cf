"""Where the transactions of a worker come from."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from tollway.errors import InvalidOption
from tollway.workflow.business import Business, takes_dsn


def driver(dsn: str) -> str:
    return dsn.replace("postgresql://", "postgresql+psycopg://")


def test_an_engine_is_made_once_with_the_first_transaction_and_closed(db: Any) -> None:
    made: list[Any] = []

    def make(dsn: str) -> Any:
        made.append(create_engine(driver(dsn)))
        return sessionmaker(made[-1])

    business = Business(db.dsn, make)
    assert made == []
    together = threading.Barrier(4)

    def use() -> None:
        together.wait(30)
        with business.begin_sync() as session:
            session.execute(text("select 1"))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(made) == 1
    assert made[0].pool.checkedin() > 0
    asyncio.run(business.close())
    assert made[0].pool.checkedin() == 0


def test_an_asynchronous_one_too(db: Any) -> None:
    async def scenario() -> None:
        business = Business(db.dsn, lambda dsn: async_sessionmaker(create_async_engine(driver(dsn))))
        async with business.begin_async() as session:
            assert (await session.execute(text("select 1"))).scalar() == 1
        await business.close()

    asyncio.run(scenario())


def test_what_it_makes_must_begin_transactions() -> None:
    business = Business("host=/nowhere", lambda dsn: 7)

    with pytest.raises(InvalidOption, match="connect is 7"), business.begin_sync():
        pass


def test_a_function_without_a_parameter_begins_the_transaction_itself() -> None:
    @contextmanager
    def begin(size: int = 3) -> Any:
        yield size

    assert not takes_dsn(begin)
    with Business("host=/nowhere", begin).begin_sync() as connection:
        assert connection == 3
    assert not takes_dsn(create_engine("postgresql+psycopg://nowhere"))
    assert takes_dsn(lambda dsn: dsn)
