"""Tasks that answer a move: spawned by the gate in the move's own transaction, whoever moved, once, and never in a circle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import (
    Q,
    Row,
    at,
    claim,
    claim_one,
    complete,
    emit,
    expect_error,
    fail,
    log,
    prepare,
    run,
    running,
    spawn,
    task_in,
    workflow,
)

STATES = ("pending", "running", "sleeping", "completed", "failed", "cancelled")


@pytest.fixture(autouse=True)
def queues(db: Database) -> None:
    prepare(db)
    db.conn.execute("select absurd.create_queue('hooks')")


def answer(
    db: Database, to_state: str, handler: str = "notify", name: str | None = None, queue: str | None = "hooks", **options: Any
) -> None:
    db.conn.execute("select absurd.set_on_move(%s, %s, %s, %s, %s, %s)", (Q, name, to_state, handler, queue, json.dumps(options)))


def handlers(db: Database, queue: str = "hooks") -> list[Row]:
    """In the order in which they were spawned: by the log, for ids of one millisecond have no order below PostgreSQL 18."""
    query = """
        select t.* from absurd.task t join absurd.absurd_event_log l on l.task_id = t.task_id and l.event = 'task.spawned'
        where t.queue_name = %s and t.handles_task_id is not null order by l.log_id"""
    return run(db, query, queue)


@pytest.mark.parametrize("wanted", STATES)
def test_coming_to_each_state_spawns_its_handler(db: Database, wanted: str) -> None:
    answer(db, wanted)

    task = task_in(db, wanted)

    (handler,) = [h for h in handlers(db) if h["params"]["task_id"] == str(task["task_id"])]
    move = [m for m in log(db, task["task_id"]) if m["to_state"] == wanted][-1]
    assert handler["params"].items() >= {
        "task_id": str(task["task_id"]), "queue": Q, "task_name": "work", "from_state": move["from_state"], "to_state": wanted,
        "attempt": 1, "workflow_run_id": str(task["task_id"]), "event": move["event"], "seq": move["seq"],
        "at": "2030-01-01T00:00:00+00:00",
    }.items()  # fmt: skip
    assert handler["handles_task_id"] == task["task_id"]
    assert db.verify() == []


def test_a_handler_is_a_root_task_with_its_own_workflow_and_log(db: Database) -> None:
    answer(db, "completed", priority=3, tags=["audit"], max_attempts=7)
    complete(db, running(db), {"total": 5})

    (handler,) = handlers(db)
    assert (handler["task_name"], handler["state"], handler["priority"], handler["tags"], handler["max_attempts"]) == (
        "notify", "pending", 3, ["audit"], 7,
    )  # fmt: skip
    assert handler["params"]["result"] == {"total": 5}
    assert "error" not in handler["params"]
    assert (handler["parent_task_id"], handler["workflow_run_id"], handler["created_by"]) == (None, handler["task_id"], "on_move")
    assert workflow(db, handler["task_id"])["created_by"] == "on_move"
    (born,) = log(db, handler["task_id"])
    assert (born["event"], born["via"]) == ("task.spawned", "complete_run")


def test_a_failure_tells_its_handler_why(db: Database) -> None:
    answer(db, "failed")
    fail(db, running(db), {"name": "Declined"}, retryable=False)

    (handler,) = handlers(db)
    assert handler["params"]["error"] == {"name": "Declined"}


def test_a_retry_answers_with_the_attempt_that_ended(db: Database) -> None:
    answer(db, "sleeping")
    fail(db, running(db, max_attempts=3), {"name": "Busy"}, at(60))

    (handler,) = handlers(db)
    assert {k: handler["params"][k] for k in ("event", "attempt", "error")} == {
        "event": "run.retried",
        "attempt": 1,
        "error": {"name": "Busy"},
    }


def test_the_sweep_of_a_dead_workers_lease_is_answered(db: Database) -> None:
    answer(db, "failed")
    running(db, max_attempts=1)
    db.clock.set(at(31))

    assert claim(db) == []

    (handler,) = handlers(db)
    assert handler["params"]["error"]["name"] == "$ClaimTimeout"
    assert log(db, handler["task_id"])[0]["via"] == "claim_tasks > claim_task > fail_run"
    assert db.verify() == []


def test_a_statement_typed_by_hand_is_answered(db: Database) -> None:
    answer(db, "cancelled")
    task_id = spawn(db)
    db.conn.execute("update absurd.task set state = 'cancelled' where task_id = %s", (task_id,))

    (handler,) = handlers(db)
    assert handler["params"]["task_id"] == str(task_id)
    assert log(db, handler["task_id"])[0]["via"] == "sql"


def test_a_workers_call_that_moves_many_is_answered_for_each(db: Database) -> None:
    answer(db, "completed")
    tasks = [spawn(db) for _ in range(5)]
    claimed = claim(db, qty=5)
    ops = [{"n": n, "task_id": str(t["task_id"]), "epoch": 1, "op": "complete", "result": n} for n, t in enumerate(claimed)]
    request = {"queue": Q, "worker": "w1", "instance": str(tasks[0]), "call": 1, "ops": ops, "claim": None}

    db.one("select absurd.worker_sync(%s)", json.dumps(request))

    ended = [(str(t["task_id"]), n) for n, t in enumerate(claimed)]
    assert [(h["params"]["task_id"], h["params"]["result"]) for h in handlers(db)] == ended


def test_an_event_a_cancelled_family_and_a_spawn_with_a_known_key(db: Database) -> None:
    parent = running(db)
    child = spawn(db, parent_task_id=str(parent["task_id"]))
    answer(db, "cancelled")
    answer(db, "pending", "born")
    db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, parent["task_id"]))
    waiter = claim_or_spawn(db)
    db.one("select should_suspend from absurd.await_event(%s, %s, %s, 's', 'e')", Q, waiter["task_id"], waiter["run_id"])
    emit(db)
    spawn(db, idempotency_key="k")
    spawn(db, idempotency_key="k")

    told = [(h["task_name"], h["params"]["task_id"], h["params"]["event"]) for h in handlers(db)]
    assert sorted(t for t in told if t[0] == "notify") == sorted(
        [("notify", str(parent["task_id"]), "task.cancelled"), ("notify", str(child), "task.cancelled")]
    )
    assert [t[2] for t in told if t[0] == "born"] == ["task.spawned", "run.woken", "task.spawned"]
    assert db.verify() == []


def claim_or_spawn(db: Database) -> Row:
    spawn(db)
    return claim_one(db)


def test_a_move_that_rolls_back_takes_its_handler_along(db: Database) -> None:
    answer(db, "completed")
    task = running(db)
    with db.conn.transaction(force_rollback=True):
        complete(db, task)
        assert len(handlers(db)) == 1

    assert handlers(db) == []


def test_a_handler_and_its_children_fire_nothing(db: Database) -> None:
    """A handler for every task of its own queue would otherwise start itself for ever."""
    for wanted in STATES:
        answer(db, wanted, queue=None)
    spawn(db)
    seen = 0
    for _ in range(10):
        for task in claim(db, qty=10):
            seen += 1
            if task["task_name"] == "notify":
                spawn(db, parent_task_id=str(task["task_id"]), name="child")
            complete(db, task)

    # the task came to pending, running and completed; each of the three handlers had a child
    assert seen == 1 + 3 + 3
    assert {t["task_name"] for t in handlers(db, Q)} == {"notify", "child"}
    assert db.verify() == []


def test_a_retried_handler_fires_nothing(db: Database) -> None:
    answer(db, "failed", queue=None)
    fail(db, running(db), retryable=False)
    handler = claim_one(db)
    fail(db, handler, retryable=False)
    db.conn.execute("select absurd.retry_task(%s, %s)", (Q, handler["task_id"]))
    fail(db, claim_one(db), retryable=False)

    assert len(handlers(db, Q)) == 1


def test_only_the_named_task_is_answered(db: Database) -> None:
    answer(db, "pending", name="order")
    spawn(db, name="other")
    order = spawn(db, name="order")

    assert [h["params"]["task_id"] for h in handlers(db)] == [str(order)]


def test_one_handler_named_twice_answers_once(db: Database) -> None:
    answer(db, "pending")
    answer(db, "pending", name="work")
    answer(db, "pending", "another")
    spawn(db)

    assert sorted(h["task_name"] for h in handlers(db)) == ["another", "notify"]


def test_each_move_to_the_same_state_is_answered(db: Database) -> None:
    answer(db, "running")
    task = running(db, max_attempts=2)
    fail(db, task, retry_at=at(0))
    claim_one(db)

    assert [(h["params"]["attempt"], h["idempotency_key"].split(":")[2]) for h in handlers(db)] == [(1, "2"), (2, "4")]


def test_the_keys_of_handlers_are_nobody_elses(db: Database) -> None:
    """Who took a handler's key beforehand would keep the move from being answered."""
    with expect_error("TW301", hint="choose another"):
        spawn(db, idempotency_key="on_move:x")


def test_which_move_a_task_answers_never_changes(db: Database) -> None:
    task_id = spawn(db)
    with expect_error("TW101"):
        db.conn.execute("update absurd.task set handles_task_id = task_id where task_id = %s", (task_id,))
