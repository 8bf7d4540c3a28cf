"""Starting: options, many at once, inside the caller's transaction, and what a handle does."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tollway import Context, Retry, Tollway
from tollway.errors import InvalidOption, InvalidPayload, TaskFailed, WorkflowNotRegistered
from worker.harness import Database, eventually, run, work_off, working


@pytest.fixture
def doubles(app: Tollway) -> Any:
    @app.workflow(version="7")
    async def doubles(ctx: Context, n: int) -> int:
        return n * 2

    return doubles


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_options_reach_the_task(app: Tollway, look: Database, doubles: Any, kind: str) -> None:
    options: dict[str, Any] = {
        "idempotency_key": "k", "delay": timedelta(minutes=1), "priority": -5, "max_attempts": 9, "tags": ["a", "b"],
        "deadline": datetime(2100, 1, 1, tzinfo=UTC), "retry": Retry(first=2, factor=3, most=50),
    }  # fmt: skip
    if kind == "async":
        run(_start(app, doubles, options))
    else:
        app.start_sync(doubles, 1, **options)
        app.start_sync(doubles, 1, **options)
    found = look.rows("select priority, max_attempts, tags, deadline, retry_strategy, idempotency_key from absurd.task")
    strategy = {"kind": "exponential", "base_seconds": 2, "factor": 3, "max_seconds": 50}
    assert found == [(-5, 9, ["a", "b"], options["deadline"], strategy, "k")]
    assert look.one("select available_at = enqueue_at + interval '1 minute' from absurd.task")
    assert look.one("select workflow_version from absurd.workflow_run") == "7"


async def _start(app: Tollway, workflow: Any, options: dict[str, Any]) -> None:
    first = await app.start(workflow, 1, **options)
    assert (await app.start(workflow, 1, **options)).id == first.id


def test_a_deadline_may_be_a_duration(app: Tollway, look: Database, doubles: Any, db: Any) -> None:
    app.start_sync(doubles, 1, deadline=timedelta(hours=1))
    assert look.one("select deadline - enqueue_at from absurd.task") == timedelta(hours=1)
    db.clock.advance(timedelta(hours=2))
    run(work_off(app))
    assert look.one("select state from absurd.task") == "cancelled"


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_many_are_started_in_one_transaction(app: Tollway, look: Database, doubles: Any, kind: str) -> None:
    async def scenario() -> None:
        if kind == "async":
            handles: list[Any] = await app.start_many(doubles, range(10), idempotency_key=lambda n: f"key {n}")
        else:
            handles = app.start_many_sync(doubles, range(10), idempotency_key=lambda n: f"key {n}")
        await work_off(app)
        assert [await app.handle(h.id).result(timeout=5) for h in handles] == [n * 2 for n in range(10)]

    run(scenario())
    assert look.one("select count(distinct xid) from absurd.absurd_event_log where event = 'task.spawned'") == 1


def test_one_that_does_not_fit_starts_none(app: Tollway, look: Database, doubles: Any) -> None:
    with pytest.raises(InvalidPayload, match="n of workflow 'doubles'"):
        app.start_many_sync(doubles, [1, 2, "three"])
    assert look.one("select count(*) from absurd.task") == 0


def test_a_start_joins_the_callers_transaction(app: Tollway, look: Database, doubles: Any) -> None:
    with psycopg.connect(look.dsn) as connection:
        app.start_sync(doubles, 1, conn=connection)
        assert look.one("select count(*) from absurd.task") == 0
        connection.rollback()
        app.start_sync(doubles, 2, conn=connection)
        connection.commit()
    engine = create_engine(look.dsn.replace("postgresql://", "postgresql+psycopg://"))
    with Session(engine) as session:
        app.start_sync(doubles, 3, conn=session)
        session.rollback()
    with engine.connect() as alchemys:
        app.start_sync(doubles, 4, conn=alchemys)
        alchemys.rollback()
        app.start_sync(doubles, 5, conn=alchemys)
        alchemys.commit()
    engine.dispose()
    assert look.one("select array_agg(params) from absurd.task") == [2, 5]


@pytest.mark.parametrize("kind", ["session", "connection"])
def test_a_start_joins_an_asynchronous_session(app: Tollway, look: Database, doubles: Any, kind: str) -> None:
    async def scenario() -> None:
        engine = create_async_engine(look.dsn.replace("postgresql://", "postgresql+psycopg://"))
        async with AsyncSession(engine) if kind == "session" else engine.connect() as theirs:
            await app.start(doubles, 1, conn=theirs)
            await app.emit_event("said", conn=theirs)
            await theirs.rollback()
            await app.start(doubles, 2, conn=theirs)
            assert look.one("select count(*) from absurd.task") == 0
            await theirs.commit()
        await engine.dispose()

    run(scenario())
    assert look.one("select array_agg(params) from absurd.task") == [2]
    assert look.one("select count(*) from absurd.event") == 0


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_what_is_no_connection_is_refused(app: Tollway, doubles: Any, kind: str) -> None:
    def start() -> None:
        if kind == "async":
            run(_start(app, doubles, {"conn": "postgresql://"}))
        else:
            app.start_sync(doubles, 1, conn="postgresql://")

    with pytest.raises(InvalidOption, match="a str is not a connection"):
        start()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"priority": 40000}, "priority is 40000"),
        ({"priority": "high"}, "priority is 'high'"),
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"delay": -1}, "delay is -1"),
        ({"delay": float("inf")}, "delay is inf"),
        ({"start_at": datetime(2030, 1, 1)}, "without a time zone"),  # noqa: DTZ001
        ({"deadline": "tomorrow"}, "deadline is 'tomorrow'"),
        ({"tags": "urgent"}, "tags is 'urgent'"),
        ({"idempotency_key": 5}, "idempotency_key is 5"),
        ({"idempotency_key": ""}, "idempotency_key is empty"),
        ({"retry": 3}, "retry is 3"),
    ],
)
def test_an_option_that_is_none_is_refused_before_anything_is_sent(doubles: Any, options: dict[str, Any], problem: str) -> None:
    nowhere = Tollway("postgresql://127.0.0.1:1/nothing")
    nowhere.registry.add(doubles)
    with pytest.raises(InvalidOption, match=problem):
        nowhere.start_sync(doubles, 1, **options)


def test_an_unknown_workflow_names_the_nearest(app: Tollway, doubles: Any) -> None:
    with pytest.raises(WorkflowNotRegistered) as caught:
        app.start_sync("double", 1)
    assert "did you mean 'doubles'?" in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_cancelling_stops_the_handler_and_frees_its_slot(app: Tollway, look: Database, doubles: Any, kind: str) -> None:
    stopped: list[str] = []

    @app.workflow
    async def endless(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append("stopped")
            raise

    async def scenario() -> None:
        handle = await app.start(endless)
        async with working(app, concurrency=1, lease=1):
            await eventually(look.states_become(handle.id, "running"))
            if kind == "async":
                await handle.cancel("no longer wanted")
                assert await handle.state() == "cancelled"
            else:
                sync_handle = app.handle_sync(handle.id)
                await asyncio.to_thread(sync_handle.cancel, "no longer wanted")
                assert await asyncio.to_thread(sync_handle.state) == "cancelled"
            other = await app.start(doubles, 4)
            assert await other.result(timeout=20) == 8
        with pytest.raises(TaskFailed, match="was cancelled"):
            await handle.result()

    run(scenario())
    assert stopped == ["stopped"]


@pytest.mark.parametrize("name", ["start", "start_many", "handle", "emit_event"])
def test_the_synchronous_twin_takes_the_same(name: str) -> None:
    def shape(method: Any) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]

    assert shape(getattr(Tollway, name)) == shape(getattr(Tollway, f"{name}_sync"))


def test_a_retry_policy_brings_its_number_of_attempts(app: Tollway) -> None:
    def declared(name: str, **options: Any) -> Any:
        return app.workflow(name=name, **options)(lambda ctx: None).max_attempts

    assert declared("none given") == 5
    assert declared("retry", retry=Retry(max_attempts=7)) == 7
    assert declared("both", retry=Retry(max_attempts=7), max_attempts=2) == 2
    assert declared("for ever", max_attempts=None) is None
