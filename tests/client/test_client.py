"""The clients: one statement a method, in the caller's transaction, with typed answers and errors."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy
import sqlalchemy.orm
from psycopg.rows import dict_row

from fixtures.database import Database
from tollway import AsyncClient, Client
from tollway.errors import (
    CheckpointConflict,
    InvalidOption,
    InvalidPayload,
    InvalidRetryStrategy,
    LeaseLost,
    RunFailed,
    SchemaMismatch,
    TaskCancelled,
    UnknownQueue,
    WrongState,
    from_database,
)


@pytest.fixture
def client(db: Database) -> Client:
    client = Client(db.conn)
    client.create_queue("q")
    return client


def test_a_task_goes_through_its_whole_life(db: Database, client: Client) -> None:
    spawned = client.spawn_task("q", "greet", {"name": "Ann"}, {"max_attempts": 2, "headers": None})
    (task,) = client.claim_tasks("q", "w", lease=30)
    client.set_task_checkpoint_state("q", task.task_id, "one", {"n": 1}, task.run_id, epoch=task.claim_epoch)
    asked = client.await_event("q", task.task_id, task.run_id, "ev", "go", timeout=60, epoch=task.claim_epoch)
    client.emit_event("q", "go", [1, None])
    (again,) = client.claim_tasks("q", "w")
    told = client.await_event("q", task.task_id, task.run_id, "ev", "go", epoch=again.claim_epoch)
    client.complete_run("q", again.run_id, {"hello": "Ann"}, epoch=again.claim_epoch)
    result = client.get_task_result("q", spawned.task_id)

    assert task.task_id == spawned.task_id
    assert task.params == {"name": "Ann"}
    assert task.checkpoints == {}
    assert (asked.should_suspend, asked.timed_out) == (True, False)
    assert again.checkpoints["one"] == {"state": {"n": 1}, "status": "committed"}
    assert (told.should_suspend, told.payload, told.timed_out) == (False, [1, None], False)
    assert result is not None
    assert (result.state, result.result) == ("completed", {"hello": "Ann"})
    assert db.verify() == []


def test_nothing_is_committed_for_the_caller(db: Database, client: Client) -> None:
    mine = db.connect(autocommit=False)
    spawned = Client(mine).spawn_task("q", "t")
    assert client.get_task_result("q", spawned.task_id) is None

    mine.rollback()

    assert client.get_task_result("q", spawned.task_id) is None
    kept = Client(mine).spawn_task("q", "t")
    mine.commit()
    assert client.get_task_result("q", kept.task_id) is not None


def test_the_rows_of_a_connection_may_be_of_any_kind(db: Database, client: Client) -> None:
    mine = db.connect(row_factory=dict_row)
    spawned = Client(mine).spawn_task("q", "t", {"n": 1})
    found = Client(mine).get_task_result("q", spawned.task_id)

    assert found is not None
    assert (found.task_id, found.state) == (spawned.task_id, "pending")


def test_calls_of_two_threads_do_not_take_each_others_rows(db: Database, client: Client) -> None:
    """Cursors are used again, but not while their rows are still to be read."""
    first, second = client.spawn_task("q", "t"), client.spawn_task("q", "t")
    executed, other = threading.Event(), threading.Event()

    class Slow(psycopg.Cursor[Any]):
        def fetchall(self) -> list[Any]:
            if threading.current_thread() is not threading.main_thread():
                executed.set()
                assert other.wait(20)
            return super().fetchall()

    shared = Client(db.connect(cursor_factory=Slow))
    shared.list_queues()  # leaves a cursor to be used again
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(shared.get_task_result, "q", first.task_id)
        assert executed.wait(20)
        beside = shared.get_task_result("q", second.task_id)
        other.set()
        apart = answer.result()

    assert apart is not None
    assert beside is not None
    assert (apart.task_id, beside.task_id) == (first.task_id, second.task_id)


def test_a_database_without_the_schema_is_told_as_such(db: Database) -> None:
    """It is the first mistake of a deployment, and the driver's sentence names no way out."""
    db.conn.execute("drop schema absurd cascade")

    with pytest.raises(SchemaMismatch, match="schema absurd is not in this database") as missing:
        Client(db.conn).spawn_task("q", "t")
    assert "tollway schema install" in str(missing.value.hint)


def test_another_schema_that_is_missing_stays_the_callers_own_error(db: Database) -> None:
    with pytest.raises(psycopg.errors.InvalidSchemaName) as missing:
        db.conn.execute("create table shop.orders ()")
    assert from_database(missing.value) is None


def test_errors_are_typed_by_sqlstate(db: Database, client: Client) -> None:
    with pytest.raises(UnknownQueue, match="does not exist"):
        client.spawn_task("nowhere", "t")
    with pytest.raises(InvalidOption, match="priority"):
        client.spawn_task("q", "t", None, {"priority": "high"})
    with pytest.raises(InvalidRetryStrategy):
        client.spawn_task("q", "t", None, {"retry_strategy": {"kind": "often"}})
    with pytest.raises(InvalidPayload, match=r"\$\.x is nan"):
        client.spawn_task("q", "t", {"x": float("nan")})
    with pytest.raises(WrongState, match="not found"):
        client.complete_run("q", uuid4())
    assert db.one("select count(*) from absurd.task") == 0


def test_a_stale_epoch_is_a_lost_lease(db: Database, client: Client) -> None:
    client.spawn_task("q", "t")
    (first,) = client.claim_tasks("q", "one")
    client.release_claims("q", [(first.task_id, first.claim_epoch)])
    (second,) = client.claim_tasks("q", "two")

    for call in (
        lambda: client.complete_run("q", first.run_id, 1, epoch=first.claim_epoch),
        lambda: client.fail_run("q", first.run_id, {}, epoch=first.claim_epoch),
        lambda: client.extend_claim("q", first.run_id, 9, epoch=first.claim_epoch),
        lambda: client.set_task_checkpoint_state("q", first.task_id, "s", 1, first.run_id, epoch=first.claim_epoch),
        lambda: client.await_event("q", first.task_id, first.run_id, "s", "e", epoch=first.claim_epoch),
        lambda: client.spawn_task("q", "child", None, {"parent_task_id": str(first.task_id)}, parent_epoch=first.claim_epoch),
    ):
        with pytest.raises(LeaseLost):
            call()

    beats = client.heartbeat("q", [(first.task_id, first.claim_epoch), (second.task_id, second.claim_epoch)], 60)
    assert sorted(beat.status for beat in beats) == ["lost", "ok"]
    assert db.verify() == []


def test_a_checkpoint_cannot_get_another_value(client: Client) -> None:
    client.spawn_task("q", "t")
    (task,) = client.claim_tasks("q", "w")
    client.set_task_checkpoint_state("q", task.task_id, "s", {"a": 1}, task.run_id, epoch=task.claim_epoch)
    client.set_task_checkpoint_state("q", task.task_id, "s", {"a": 1}, task.run_id, epoch=task.claim_epoch)

    with pytest.raises(CheckpointConflict):
        client.set_task_checkpoint_state("q", task.task_id, "s", {"a": 2}, task.run_id, epoch=task.claim_epoch)
    client.set_task_checkpoint_state("q", task.task_id, "s", {"a": 3}, task.run_id)

    kept = client.get_task_checkpoint_state("q", task.task_id, "s")
    assert kept is not None
    assert kept.state == {"a": 1}
    assert [c.checkpoint_name for c in client.get_task_checkpoint_states("q", task.task_id, task.run_id)] == ["s"]


def test_what_is_over_says_so(client: Client) -> None:
    spawned = client.spawn_task("q", "t", None, {"max_attempts": 1})
    (task,) = client.claim_tasks("q", "w")
    client.fail_run("q", task.run_id, {"name": "Boom"}, epoch=task.claim_epoch)
    with pytest.raises(RunFailed):
        client.complete_run("q", task.run_id)

    retried = client.retry_task("q", spawned.task_id)
    client.cancel_task("q", spawned.task_id, "enough")
    with pytest.raises(TaskCancelled):
        client.complete_run("q", retried.run_id)

    assert retried.attempt == 2


def test_queues_policies_and_clean_up(client: Client) -> None:
    client.set_queue_policy("q", {"cleanup_ttl": "0 seconds"})
    policy = client.get_queue_policy("q")
    spawned = client.spawn_tasks("q", [{"task_name": "t", "params": n, "options": {"idempotency_key": f"k{n}"}} for n in range(3)])
    again = client.spawn_tasks("q", [{"task_name": "t", "options": {"idempotency_key": "k1"}}])
    client.cancel_task("q", spawned[0].task_id)

    assert policy is not None
    assert policy.cleanup_ttl == timedelta(0)
    assert [s.created for s in spawned] == [True] * 3
    assert (again[0].task_id, again[0].created) == (spawned[1].task_id, False)
    assert [(c.queue_name, c.tasks_deleted) for c in client.cleanup_all_queues()] == [("q", 1)]
    client.drop_queue("q")
    assert client.list_queues() == []
    assert [r.action for r in client.repair()] == []


def test_the_asynchronous_client_does_the_same(db: Database) -> None:
    async def scenario() -> tuple[UUID, Any]:
        async with await psycopg.AsyncConnection.connect(db.dsn, autocommit=True) as connection:
            client = AsyncClient(connection)
            await client.create_queue("q")
            spawned = await client.spawn_task("q", "t", [1])
            (task,) = await client.claim_tasks("q", "w")
            await client.complete_run("q", task.run_id, task.params, epoch=task.claim_epoch)
            with pytest.raises(UnknownQueue):
                await client.emit_event("nowhere", "e")
            return spawned.task_id, await client.get_task_result("q", spawned.task_id)

    task_id, result = asyncio.run(scenario())

    assert (result.task_id, result.state, result.result) == (task_id, "completed", [1])


def test_a_sqlalchemy_connection_and_session_are_taken_in_their_transaction(db: Database, client: Client) -> None:
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(db.dsn))
    with engine.connect() as connection:
        dropped = Client(connection).spawn_task("q", "t")
        connection.rollback()
    with sqlalchemy.orm.Session(engine) as session, session.begin():
        kept = Client(session).spawn_task("q", "t")
    engine.dispose()

    assert client.get_task_result("q", dropped.task_id) is None
    assert client.get_task_result("q", kept.task_id) is not None


def test_something_else_than_a_connection_is_refused() -> None:
    with pytest.raises(InvalidOption, match="a str is not a connection"):
        Client("postgresql:///x").list_queues()


def test_there_is_a_method_for_each_public_function(db: Database, client: Client) -> None:
    public = {
        row[0]
        for row in db.rows("select distinct proname from pg_proc where pronamespace = 'absurd'::regnamespace and proname not like '\\_%%'")
    }
    methods = {name for name, _ in inspect.getmembers(Client, inspect.isfunction)}
    # claim_tasks is claim_task with the epoch; the rest are helpers that nobody calls through a client
    helpers = {
        "claim_task", "current_time", "portable_uuidv7", "uuidv7_floor", "uuidv7_timestamp", "retry_delay_seconds", "run_id_of",
        "record_step", "record_steps",  # a worker's, instead of a worker_sync that would say the same
        "task_id_of", "validate_queue_name", "ensure_queue_tables", "get_schema_version",
        # for jobs in the database, and for clients that know them
        "week_bucket_utc", "partition_week_tag", "ensure_partitions", "list_detach_candidates", "drop_detached_partition",
        "schedule_detach_jobs", "enable_cron", "disable_cron",
    }  # fmt: skip

    assert public - methods == helpers
