"""What a handler cannot do to the move it answers, and what set_on_move refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import NOBODY, T0, Q, complete, expect_error, one, prepare, run, running, spawn, state

HANDLERS = "select params from absurd.task where handles_task_id is not null"
REFUSED = "select detail from absurd.absurd_event_log where event = 'on_move.refused'"


@pytest.fixture(autouse=True)
def queues(db: Database) -> None:
    prepare(db)
    db.conn.execute("select absurd.create_queue('hooks')")


def answer(
    db: Database, to_state: str = "completed", handler: str = "notify", name: str | None = None, queue: str = "hooks", **options: Any
) -> None:
    db.conn.execute("select absurd.set_on_move(%s, %s, %s, %s, %s, %s)", (Q, name, to_state, handler, queue, json.dumps(options)))


def limit(db: Database, queue: str, size: int) -> None:
    db.conn.execute("select absurd.set_queue_policy(%s, %s)", (queue, json.dumps({"max_payload_bytes": size})))


def test_a_handler_that_cannot_be_spawned_harms_only_itself(db: Database) -> None:
    answer(db, handler="bad", headers={"long": "x" * 3000})
    answer(db, handler="good")
    limit(db, "hooks", 1024)
    task = running(db)

    complete(db, task)

    assert state(db, task["task_id"]) == "completed"
    assert db.rows("select task_name from absurd.task where handles_task_id is not null") == [("good",)]
    (detail,) = db.rows(REFUSED)[0]
    assert detail.items() >= {"task_id": str(task["task_id"]), "seq": 3, "handler_task": "bad", "sqlstate": "TW302"}.items()
    assert db.verify() == []


def test_a_result_too_large_for_the_handlers_queue_is_left_out_by_name(db: Database) -> None:
    answer(db)
    limit(db, "hooks", 1024)
    complete(db, running(db), "x" * 2000)

    ((params,),) = db.rows(HANDLERS)
    assert params["left_out"] == "result"
    assert "result" not in params


def test_a_result_as_deep_as_may_be_is_left_out_by_name(db: Database) -> None:
    answer(db)
    deep: Any = "x" * 600
    for _ in range(64):
        deep = [deep]
    complete(db, running(db), deep)

    assert db.rows(HANDLERS)[0][0]["left_out"] == "result"


def test_a_null_result_is_there(db: Database) -> None:
    answer(db)
    task = running(db)
    db.conn.execute("select absurd.complete_run(%s, %s)", (Q, task["run_id"]))

    assert db.rows(HANDLERS)[0][0]["result"] is None


@pytest.mark.parametrize("dropped", [Q, "hooks"])
def test_a_dropped_queue_takes_its_rows_along(db: Database, dropped: str) -> None:
    answer(db)
    db.conn.execute("select absurd.drop_queue(%s)", (dropped,))

    assert db.rows("select * from absurd.on_move") == []
    assert db.verify() == []


def test_a_queue_under_way_out_gets_no_handlers(db: Database) -> None:
    """The end of what the dropped queue ran wakes a task elsewhere, whose move a handler in the dropped queue would answer."""
    awaited = spawn(db, queue="hooks", priority=1)
    answer(db, "pending")
    waiter = running(db)
    op = {"n": 0, "task_id": str(waiter["task_id"]), "epoch": 1, "op": "await_task", "step": "s", "task": str(awaited)}
    request = {"queue": Q, "worker": "w", "instance": str(NOBODY), "call": 1, "ops": [op], "claim": None}
    assert db.one("select absurd.worker_sync(%s) -> 'ops' -> 0 ->> 'outcome'", json.dumps(request)) == "suspended"

    db.conn.execute("select absurd.drop_queue('hooks')")

    assert state(db, waiter["task_id"]) == "pending"
    assert db.rows(REFUSED) == []
    assert db.verify() == []


def test_verify_finds_a_row_whose_queue_is_gone(db: Database) -> None:
    answer(db)
    with db.conn.transaction():
        db.conn.execute("set local session_replication_role = replica")
        db.conn.execute("delete from absurd.queues where queue_name = 'hooks'")

    assert [row[:2] for row in db.verify()] == [("on_move_has_its_queues", Q)]


def test_rows_are_listed_replaced_and_removed(db: Database) -> None:
    answer(db, max_attempts=1)
    answer(db, max_attempts=2)
    answer(db, "failed", name="order")

    assert [tuple(r.values())[:6] for r in run(db, "select * from absurd.list_on_move(%s)", Q)] == [
        (Q, None, "completed", "hooks", "notify", {"max_attempts": 2}),
        (Q, "order", "failed", "hooks", "notify", {}),
    ]
    assert one(db, "select created_at from absurd.list_on_move() where to_state = 'failed'")["created_at"] == T0
    assert run(db, "select * from absurd.list_on_move('hooks')") == []
    remove = "select absurd.remove_on_move('q', null, 'completed', 'notify', 'hooks')"
    assert [db.one(remove), db.one(remove)] == [True, False]
    complete(db, running(db))
    assert db.rows(HANDLERS) == []
    assert [e for (e,) in db.rows("select event from absurd.absurd_event_log where event like 'on_move%%' order by log_id")] == [
        "on_move.set", "on_move.set", "on_move.set", "on_move.removed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sqlstate"),
    [
        ("'nosuch', null, 'failed', 'h'", "42P01"),
        ("'q', null, 'failed', 'h', 'nosuch'", "42P01"),
        ("null, null, 'failed', 'h'", "22004"),
        ("'q', null, 'done', 'h'", "TW301"),
        ("'q', null, 'purged', 'h'", "TW301"),
        ("'q', null, null, 'h'", "TW301"),
        ("'q', '', 'failed', 'h'", "P0001"),
        ("'q', null, 'failed', ''", "P0001"),
        ("'q', null, 'failed', repeat('h', 256)", "TW304"),
        ("'q', null, 'failed', 'h', null, '[]'", "TW301"),
        ("""'q', null, 'failed', 'h', null, '{"idempotency_key": "k"}'""", "TW301"),
        ("""'q', null, 'failed', 'h', null, '{"prioritty": 1}'""", "TW301"),
        ("""'q', null, 'failed', 'h', null, '{"priority": 99999}'""", "TW301"),
        ("""'q', null, 'failed', 'h', null, '{"max_attempts": 0}'""", "P0001"),
        ("""'q', null, 'failed', 'h', null, '{"retry_strategy": {"kind": "odd"}}'""", "AB003"),
    ],
)
def test_what_no_spawn_would_take_is_refused_at_once(db: Database, arguments: str, sqlstate: str) -> None:
    with expect_error(sqlstate):
        db.conn.execute(f"select absurd.set_on_move({arguments})")

    assert db.rows("select * from absurd.on_move") == []
