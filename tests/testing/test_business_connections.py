"""Apps whose transactions run on an SQLAlchemy engine: each database gets an engine of its own, killed with its worker."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tollway import Context, SyncContext, Tollway
from tollway.errors import InvalidOption
from tollway.testing import Env, TestDatabase


def driver(dsn: str) -> str:
    return dsn.replace("postgresql://", "postgresql+psycopg://")


def make_table(database: TestDatabase) -> None:
    database.conn.execute("create table reserved (amount int)")


def test_a_synchronous_engine(env: Env) -> None:
    app = Tollway(connect=create_engine("postgresql+psycopg://nowhere"))
    with pytest.raises(InvalidOption, match="engine or a session factory"):
        env.bind(app)
    env.bind(app, connect=lambda dsn: create_engine(driver(dsn)))

    def reserve(connection: Any, amount: int) -> None:
        connection.execute(text("insert into reserved values (:amount)"), {"amount": amount})

    @app.workflow
    def order(ctx: SyncContext, amount: int) -> int:
        ctx.transaction("reserve", reserve, amount)
        return amount

    make_table(env.db)
    assert env.run(order, 7) == 7
    report = env.assert_resume_safe(
        order, 7, setup=make_table, check=lambda db: db.rows("select amount from reserved") == [(7,)], strict=["reserve"]
    )
    assert report.commits == ("the transaction 'reserve'", "the completion")


def test_an_asynchronous_session_factory(env: Env) -> None:
    app = Tollway(connect=async_sessionmaker(create_async_engine("postgresql+psycopg://nowhere")))
    env.bind(app, connect=lambda dsn: async_sessionmaker(create_async_engine(driver(dsn))))

    async def reserve(session: AsyncSession, amount: int) -> None:
        await session.execute(text("insert into reserved values (:amount)"), {"amount": amount})

    @app.workflow
    async def order(ctx: Context, amount: int) -> int:
        await ctx.transaction("reserve", reserve, amount)
        return amount

    report = env.assert_resume_safe(
        order, 7, setup=make_table, check=lambda db: db.rows("select amount from reserved") == [(7,)], strict=["reserve"]
    )
    assert report.commits == ("the transaction 'reserve'", "the completion")


def test_a_child_that_is_started_in_a_transaction(env: Env, app: Tollway) -> None:
    @app.workflow
    async def ship(ctx: Context, amount: int) -> int:
        return await ctx.step("pack", lambda: amount + 1)

    async def reserve(ctx: Context, connection: Any) -> None:
        await connection.execute("insert into reserved values (7)")
        await ctx.start_child(ship, 7, key="ship")

    @app.workflow
    async def order(ctx: Context) -> int:
        await ctx.transaction("reserve", lambda connection: reserve(ctx, connection))
        result: int = await ctx.child(ship, "ship").result()
        return result

    report = env.assert_resume_safe(
        order, setup=make_table, check=lambda db: db.rows("select amount from reserved") == [(7,)], strict=["reserve"]
    )
    assert report.result == 8
    assert "the record of step 'pack' of child 'ship'" in report.commits


def test_an_engine_made_from_the_address_needs_none_at_import(env: Env) -> None:
    """The app names no database, and its tests need no other engine than its own."""
    made: list[str] = []

    def engine_of(dsn: str) -> Any:
        made.append(dsn)
        return create_engine(driver(dsn))

    app = Tollway(connect=engine_of)
    assert made == []
    env.bind(app)

    def reserve(connection: Any, amount: int) -> None:
        connection.execute(text("insert into reserved values (:amount)"), {"amount": amount})

    @app.workflow
    def order(ctx: SyncContext, amount: int) -> int:
        ctx.transaction("reserve", reserve, amount)
        return amount

    make_table(env.db)
    assert env.run(order, 7) == 7
    assert made == [env.db.dsn]
    report = env.assert_resume_safe(
        order, 7, setup=make_table, check=lambda db: db.rows("select amount from reserved") == [(7,)], strict=["reserve"]
    )
    assert report.commits == ("the transaction 'reserve'", "the completion")
