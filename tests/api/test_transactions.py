"""Business rows, checkpoint, children and events in one commit, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from api import cases as asynchronous
from api.test_steps import result_of
from tollway import Context, Tollway
from tollway.errors import InvalidOption, TaskFailed
from worker.harness import Database, eventually, run, working

INSERT = "insert into booking (n) values (%s)"


@pytest.fixture(autouse=True)
def bookings(look: Database) -> None:
    look.connection.execute("create table booking (n integer)")


def body_for(cases: Any, before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None) -> Any:
    async def asynchronously(connection: Any, n: int) -> int:
        before()
        await connection.execute(INSERT, (n,))
        after()
        return n * 10

    def synchronously(connection: Any, n: int) -> int:
        before()
        connection.execute(INSERT, (n,))
        after()
        return n * 10

    return asynchronously if cases is asynchronous else synchronously


def count(look: Database) -> int:
    return int(look.one("select count(*) from booking"))


def test_rows_record_child_and_event_are_one_commit(app: Tollway, look: Database, cases: Any) -> None:
    assert result_of(app, cases.booking(app, body_for(cases)), 4) == [40, 5, 4]
    assert count(look) == 1
    xmins = look.rows(
        """select xmin::text from booking
           union select xmin::text from absurd.checkpoint where checkpoint_name in ('book', '$child:after')
           union select xmin::text from absurd.event where event_name = 'booked'"""
    )
    assert len(xmins) == 1, "one transaction wrote them all"


def test_a_failing_body_leaves_nothing(app: Tollway, look: Database, cases: Any) -> None:
    failures = [OSError("the printer is on fire")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    assert result_of(app, cases.booking(app, body_for(cases, after=fail_once)), 4) == [40, 5, 4]
    assert count(look) == 1
    assert look.one("select attempt from absurd.task where task_name = 'books'") == 2


def test_who_lost_the_claim_commits_nothing(app: Tollway, look: Database, cases: Any) -> None:
    """The claim is taken over while the body runs: its rows must not be there twice."""
    taken: list[int] = []

    def take_over() -> None:
        if not taken:
            taken.append(1)
            with psycopg.connect(look.dsn, autocommit=True) as other:
                other.execute(
                    """select absurd.release_claims('default', jsonb_agg(jsonb_build_object('task_id', task_id, 'epoch', claim_epoch)))
                       from absurd.task where state = 'running'"""
                )

    assert result_of(app, cases.booking(app, body_for(cases, after=take_over)), 4) == [40, 5, 4]
    assert taken == [1]
    assert count(look) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cut_connection_is_no_failure(app: Tollway, look: Database, cases: Any, when: str) -> None:
    cuts = [1]

    def cut() -> None:
        if cuts:
            cuts.pop()
            assert look.kill_backends("transaction") == 1

    workflow = cases.booking(app, body_for(cases, **{when: cut}))
    assert result_of(app, workflow, 4) == [40, 5, 4]
    assert count(look) == 1
    assert look.one("select attempt from absurd.task where task_name = 'books'") == 1


class LosesTheAnswer:
    """Begins transactions of psycopg, and loses the answer to the first commit."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.commits = 0

    def lose_once(self) -> None:
        self.commits += 1
        if self.commits == 1:
            raise psycopg.OperationalError("server closed the connection unexpectedly")


class AsyncLoses(LosesTheAnswer):
    def __call__(self) -> Any:
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def transaction() -> Any:
            async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
                yield connection
                await connection.commit()
                self.lose_once()

        return transaction()


class SyncLoses(LosesTheAnswer):
    def __call__(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def transaction() -> Any:
            with psycopg.connect(self.dsn) as connection:
                yield connection
                connection.commit()
                self.lose_once()

        return transaction()


def test_a_commit_whose_answer_is_lost_is_found_again(db: Any, app: Tollway, look: Database, cases: Any) -> None:
    loses: Any = (AsyncLoses if cases is asynchronous else SyncLoses)(db.dsn)
    lossy = Tollway(db.dsn, connect=loses)
    assert result_of(lossy, cases.booking(lossy, body_for(cases)), 4) == [40, 5, 4]
    assert count(look) == 1
    assert loses.commits >= 2, "the body ran again, and was rolled back"
    assert look.one("select max(attempt) from absurd.task") == 1


def test_an_error_of_the_bodys_own_sql_stays_what_it_is(app: Tollway, look: Database, cases: Any) -> None:
    """Codes that mean something in the engine mean nothing of it in the user's statements."""
    errors = ["TW201", "TW202", "AB001", "P0001", "42P01"]
    seen: list[str] = []

    def statement() -> str:
        return f"do $$ begin raise exception 'mine' using errcode = '{errors[len(seen)]}'; end $$"

    async def asynchronously(connection: Any, n: int) -> int:
        try:
            await connection.execute(statement())
        except psycopg.Error as error:
            seen.append(str(error.sqlstate))
            raise
        return n

    def synchronously(connection: Any, n: int) -> int:
        try:
            connection.execute(statement())
        except psycopg.Error as error:
            seen.append(str(error.sqlstate))
            raise
        return n

    workflow = cases.booking(app, asynchronously if cases is asynchronous else synchronously)
    for error in errors:
        with pytest.raises(TaskFailed) as caught:
            result_of(app, workflow, 1, max_attempts=1)
        assert caught.value.reason["message"].startswith("mine")
        assert not caught.value.reason["name"].startswith(("LeaseLost", "WrongState", "UnknownQueue")), error
    assert seen == errors


@pytest.fixture(params=["engine", "session"])
def alchemy(request: pytest.FixtureRequest, db: Any, cases: Any) -> Iterator[Any]:
    url = db.dsn.replace("postgresql://", "postgresql+psycopg://")
    if cases is asynchronous:
        engine: Any = create_async_engine(url)
        yield engine if request.param == "engine" else async_sessionmaker(engine)
        asyncio.run(engine.dispose())
    else:
        plain = create_engine(url)
        yield plain if request.param == "engine" else sessionmaker(plain)
        plain.dispose()


def test_on_sqlalchemy(db: Any, app: Tollway, look: Database, cases: Any, alchemy: Any) -> None:
    async def asynchronously(connection: Any, n: int) -> int:
        await connection.execute(text("insert into booking (n) values (:n)"), {"n": n})
        return n * 10

    def synchronously(connection: Any, n: int) -> int:
        connection.execute(text("insert into booking (n) values (:n)"), {"n": n})
        return n * 10

    ours = Tollway(db.dsn, connect=alchemy)
    workflow = cases.booking(ours, asynchronously if cases is asynchronous else synchronously)
    assert result_of(ours, workflow, 4) == [40, 5, 4]
    assert count(look) == 1


def test_a_step_inside_a_transaction_is_refused(app: Tollway, look: Database, cases: Any) -> None:
    assert "begins inside ctx.transaction" in result_of(app, cases.step_in_transaction(app))


def test_connect_of_a_wrong_kind_is_refused() -> None:
    with pytest.raises(InvalidOption, match="connect is 5"):
        Tollway("", connect=5)


def test_a_synchronous_engine_for_an_asynchronous_workflow_is_named(db: Any, app: Tollway, look: Database) -> None:
    engine = create_engine(db.dsn.replace("postgresql://", "postgresql+psycopg://"))
    ours = Tollway(db.dsn, connect=engine)
    with pytest.raises(TaskFailed, match="gives no asynchronous transaction"):
        result_of(ours, asynchronous.booking(ours, body_for(asynchronous)), 1)
    engine.dispose()


def test_no_lease_is_lost_beside_a_long_transaction(app: Tollway, look: Database) -> None:
    """Three leases long, beside fifty tasks; heartbeats, and an emission that wakes it, wait for nobody."""
    gate = asyncio.Event()

    @app.workflow
    async def slow(ctx: Context) -> int:
        async def body(connection: Any) -> int:
            await connection.execute(INSERT, (1,))
            await gate.wait()
            return 1

        return await ctx.transaction("slow", body)

    @app.workflow
    async def quick(ctx: Context, n: int) -> int:
        return await ctx.step("one", lambda: n)

    begun = "select count(*) from pg_stat_activity where application_name = 'tollway transaction' and state = 'idle in transaction'"
    kept = "select heartbeat_at > %s + interval '3 s' from absurd.task where task_name = 'slow'"

    async def scenario() -> None:
        handle = await app.start(slow)
        async with working(app, lease=1):
            await eventually(lambda: asyncio.sleep(0, look.one(begun)))
            began = look.one("select clock_timestamp()")
            for other in await app.start_many(quick, range(50)):
                await other.result(timeout=20)
            await eventually(lambda: asyncio.sleep(0, look.one(kept, began)))
            gate.set()
            assert await handle.result(timeout=20) == 1
        assert look.moves(handle.id) == ["task.spawned", "run.claimed", "run.completed"]

    run(scenario())
    assert count(look) == 1
    assert look.one("select count(*) from absurd.absurd_event_log where event = 'run.claimed'") == 51, "no claim was taken over"
