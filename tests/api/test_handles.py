"""A handle on the caller's own connection: it sees what that transaction sees, and opens nothing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tollway import Context, Tollway
from tollway.errors import AwaitTimedOut, InvalidOption, WrongState
from worker.harness import Database, run, work_off


@pytest.fixture
def doubles(app: Tollway) -> Any:
    @app.workflow
    async def doubles(ctx: Context, n: int) -> int:
        return n * 2

    return doubles


@pytest.fixture
def nowhere(app: Tollway) -> Tollway:
    """An application without a database: whoever opens a connection of its own fails."""
    return Tollway("host=/nowhere")


def test_a_cancellation_joins_the_callers_transaction(app: Tollway, nowhere: Tollway, look: Database, doubles: Any) -> None:
    handle = nowhere.handle_sync(app.start_sync(doubles, 1).id)
    with psycopg.connect(look.dsn) as connection:
        handle.cancel("not wanted", conn=connection)
        assert handle.state(conn=connection) == "cancelled"
        assert look.one("select state from absurd.task") == "pending"
        connection.rollback()
        assert handle.state(conn=connection) == "pending"
        handle.cancel("not wanted", conn=connection)
        connection.commit()

    assert look.one("select state from absurd.task") == "cancelled"


def test_a_result_is_read_on_the_callers_connection(app: Tollway, nowhere: Tollway, look: Database, doubles: Any) -> None:
    started = app.start_sync(doubles, 4)
    run(work_off(app))
    handle = nowhere.handle_sync(started.id)

    with psycopg.connect(look.dsn, autocommit=True) as connection:
        assert handle.result(conn=connection) == 8
        assert not connection.closed
        missing = nowhere.handle_sync(started.id, queue="default")
        missing.id = type(started.id)(int=0)
        with pytest.raises(WrongState, match="does not exist in queue default") as told:
            missing.result(conn=connection)
        assert "another queue" in str(told.value.hint)
    with pytest.raises(InvalidOption, match="a str is not a connection"):
        handle.result(conn="postgresql://")


def test_an_asynchronous_session_serves_a_handle(app: Tollway, nowhere: Tollway, look: Database, doubles: Any) -> None:
    async def scenario() -> None:
        engine = create_async_engine(look.dsn.replace("postgresql://", "postgresql+psycopg://"))
        async with AsyncSession(engine) as session:
            handle = nowhere.handle((await app.start(doubles, 1, conn=session)).id)
            assert await handle.state(conn=session) == "pending"
            with pytest.raises(AwaitTimedOut):
                await handle.result(timeout=0, conn=session)
            await handle.cancel(conn=session)
            assert await handle.state(conn=session) == "cancelled"
            await session.commit()
        await engine.dispose()

    run(scenario())
    assert look.one("select state from absurd.task") == "cancelled"
