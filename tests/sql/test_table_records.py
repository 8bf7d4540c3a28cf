"""The table's rows that are no move, or more than one: nothing else changes, rows leave whole, workers are woken."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import (
    Q,
    Row,
    at,
    await_event,
    checkpoint,
    claim,
    claim_one,
    complete,
    emit,
    fail,
    log,
    one,
    prepare,
    run,
    running,
    spawn,
    spawn_row,
    state,
    status,
    task_in,
    workflow,
)


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


def heartbeat(db: Database, task: Row) -> None:
    claims = json.dumps([{"task_id": str(task["task_id"]), "epoch": task["claim_epoch"]}])
    assert db.rows("select status from absurd.heartbeat(%s, %s, 60)", Q, claims) == [("ok",)]


def extend(db: Database, task: Row) -> None:
    db.conn.execute("select absurd.extend_claim(%s, %s, 60)", (Q, task["run_id"]))


def await_what_is_there(db: Database, task: Row) -> None:
    emit(db)
    assert await_event(db, task) == {"should_suspend": False, "payload": "payload"}


def spawn_again(db: Database, task: Row) -> None:
    row = spawn_row(db, idempotency_key="k")
    assert (row["task_id"], row["created"]) == (task["task_id"], False)


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        (lambda db, task: checkpoint(db, task, "charge"), {"steps_done": 1, "last_step": "charge"}),
        (extend, {"lease_until": at(70), "last_heartbeat": at(10)}),
        (heartbeat, {"lease_until": at(70), "last_heartbeat": at(10)}),
        (await_what_is_there, {"steps_done": 1, "last_step": "s"}),
        (spawn_again, {}),
    ],
    ids=["checkpoint", "extend_claim", "heartbeat", "await_event: is there", "spawn, key known"],
)
def test_what_is_no_move_changes_the_status_view_and_nothing_else(db: Database, act: Callable[[Database, Row], None], seen: Row) -> None:
    task = running(db, idempotency_key="k")
    before = workflow(db, task["task_id"]), log(db, task["task_id"]), status(db, task["task_id"])
    db.clock.set(at(10))

    act(db, task)

    assert (workflow(db, task["task_id"]), log(db, task["task_id"])) == before[:2]
    assert before[2] is not None
    at_ten = {"running_for": at(10) - at(0)}
    assert status(db, task["task_id"]) == before[2] | at_ten | seen


def test_a_time_out_is_moved_by_the_claim_and_kept_as_a_checkpoint(db: Database) -> None:
    task = running(db)
    await_event(db, task, timeout=10, epoch=task["claim_epoch"])
    db.clock.set(at(10))
    again = claim_one(db)
    assert again["wake_event"] == "e"
    before = log(db, task["task_id"])

    assert await_event(db, again, timeout=10, epoch=again["claim_epoch"]) == {"should_suspend": False, "payload": None}

    assert log(db, task["task_id"]) == before
    assert [(r["event"], r["from_state"], r["to_state"]) for r in before][-1] == ("run.claimed", "sleeping", "running")
    assert db.rows("select checkpoint_name, status, state from absurd.checkpoint") == [("s", "timed_out", None)]
    seen = status(db, task["task_id"])
    assert seen is not None
    assert (seen["steps_done"], seen["last_step"], seen["waiting_for"]) == (1, "s", None)


def test_a_time_out_stays_what_it_was_when_the_event_comes_later(db: Database) -> None:
    task = running(db)
    await_event(db, task, timeout=10, epoch=task["claim_epoch"])
    db.clock.set(at(10))
    again = claim_one(db)
    await_event(db, again, epoch=again["claim_epoch"])
    emit(db)

    assert await_event(db, again, epoch=again["claim_epoch"]) == {"should_suspend": False, "payload": None}


def emissions(db: Database) -> list[Any]:
    return db.rows("select detail, via, task_id, seq from absurd.absurd_event_log where event = 'event.emitted' order by log_id")


def test_an_emission_is_logged_with_how_many_it_woke(db: Database) -> None:
    for _ in range(3):
        await_event(db, running(db))
    running(db)

    emit(db)

    assert emissions(db) == [({"event": "e", "woken": 3}, "emit_event", None, None)]
    assert db.rows("select state, count(*) from absurd.task group by 1 order by 1") == [("pending", 3), ("running", 1)]


def test_a_second_emission_changes_nothing(db: Database) -> None:
    task = running(db)
    await_event(db, task)
    emit(db, payload="first")
    before = emissions(db), log(db, task["task_id"]), db.rows("select * from absurd.e_q")
    db.clock.set(at(10))

    emit(db, payload="second")

    assert (emissions(db), log(db, task["task_id"]), db.rows("select * from absurd.e_q")) == before


def test_a_known_key_returns_the_task_as_it_is_now(db: Database) -> None:
    first = spawn_row(db, idempotency_key="k")
    task = claim_one(db)
    fail(db, task)

    again = spawn_row(db, name="other", params={"ignored": True}, idempotency_key="k")

    assert again["task_id"] == first["task_id"]
    assert (again["attempt"], again["created"]) == (2, False)
    assert again["run_id"] == db.one("select absurd.run_id_of(%s, 2)", first["task_id"])
    assert len(db.rows("select 1 from absurd.workflow_run")) == 1


@pytest.mark.parametrize("before", ["pending", "sleeping", "running"])
def test_cancelling_takes_unfinished_children_along_whatever_their_state(db: Database, before: str) -> None:
    parent = running(db)["task_id"]
    delay: Row = {"delay_seconds": 50} if before == "sleeping" else {}
    child = spawn(db, parent_task_id=parent, **delay)
    if before == "running":
        claim_one(db)
    grandchild = spawn(db, parent_task_id=child)

    db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, parent))

    for task_id, was in ((parent, "running"), (child, before), (grandchild, "pending")):
        entry = log(db, task_id)[-1]
        assert (entry["event"], entry["from_state"], entry["to_state"], entry["via"]) == ("task.cancelled", was, "cancelled", "cancel_task")


def test_detached_and_finished_children_outlive_their_parent(db: Database) -> None:
    parent = running(db)["task_id"]
    finished = spawn(db, parent_task_id=parent)
    complete(db, claim_one(db))
    detached = spawn(db, parent_task_id=parent, detached=True)

    db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, parent))

    assert [state(db, t) for t in (parent, finished, detached)] == ["cancelled", "completed", "pending"]


def test_a_child_says_nothing_of_its_parents_workflow(db: Database) -> None:
    parent = running(db)["task_id"]
    before = workflow(db, parent)
    db.clock.set(at(10))
    spawn(db, parent_task_id=parent)

    fail(db, claim_one(db), retryable=False)

    assert workflow(db, parent) == before
    assert len(db.rows("select 1 from absurd.workflow_run")) == 1


@pytest.mark.parametrize(("next_start", "after"), [(149, "sleeping"), (150, "cancelled")])
def test_a_retry_starts_the_clock_of_max_duration_anew(db: Database, next_start: int, after: str) -> None:
    task = running(db, cancellation={"max_duration": 50})
    fail(db, task, retryable=False)
    db.clock.set(at(100))
    db.conn.execute("""select absurd.retry_task(%s, %s, '{"max_attempts": 9}')""", (Q, task["task_id"]))
    again = claim_one(db)
    assert again["task_id"] == task["task_id"]

    fail(db, again, retry_at=at(next_start))

    assert state(db, task["task_id"]) == after


@pytest.mark.parametrize(("now", "after"), [(149, "running"), (150, "cancelled")])
def test_a_retried_task_is_cancelled_when_its_new_clock_has_run_out(db: Database, now: int, after: str) -> None:
    task = running(db, cancellation={"max_duration": 50})
    fail(db, task, retryable=False)
    db.clock.set(at(100))
    db.conn.execute("select absurd.retry_task(%s, %s)", (Q, task["task_id"]))
    claim_one(db, lease=1000)
    db.clock.set(at(now))

    assert claim(db) == []

    assert state(db, task["task_id"]) == after


def rows_of(db: Database, task_id: Any) -> list[int]:
    return [db.one(f"select count(*) from absurd.{t} where task_id = %s", task_id) for t in ("task", "run", "checkpoint", "wait")]


@pytest.mark.parametrize("ended", ["completed", "failed", "cancelled"])
def test_cleanup_takes_a_terminal_task_whole_and_keeps_its_history(db: Database, ended: str) -> None:
    task_id = task_in(db, ended)["task_id"]
    before = workflow(db, task_id)
    db.clock.set(at(11))

    assert db.one("select absurd.cleanup_tasks(%s, 10)", Q) == 1

    entry = log(db, task_id)[-1]
    assert (entry["event"], entry["from_state"], entry["to_state"], entry["via"], entry["seq"]) == (
        "task.purged", ended, "purged", "cleanup_tasks", 4,
    )  # fmt: skip
    assert workflow(db, task_id) == before | {"purged_at": at(11), "updated_at": at(11)}
    assert rows_of(db, task_id) == [0, 0, 0, 0]
    assert status(db, task_id) is None


def test_cleanup_leaves_live_tasks_and_young_ones(db: Database) -> None:
    kept = [task_in(db, s)["task_id"] for s in ("sleeping", "failed")] + [running(db)["task_id"], spawn(db)]
    db.clock.set(at(10))

    assert db.one("select absurd.cleanup_tasks(%s, 10)", Q) == 0

    assert [state(db, t) for t in kept] == ["sleeping", "failed", "running", "pending"]


@pytest.mark.parametrize("before", ["pending", "running", "sleeping", "completed", "failed", "cancelled"])
def test_dropping_a_queue_purges_tasks_in_any_state(db: Database, before: str) -> None:
    task_id = task_in(db, before)["task_id"]

    db.conn.execute("select absurd.drop_queue(%s)", (Q,))

    entry = log(db, task_id)[-1]
    assert (entry["event"], entry["from_state"], entry["to_state"], entry["via"]) == ("task.purged", before, "purged", "drop_queue")
    assert workflow(db, task_id)["purged_at"] == at(0)
    assert rows_of(db, task_id) == [0, 0, 0, 0]
    last = one(db, "select event, queue_name, detail, via, task_id, seq from absurd.absurd_event_log order by log_id desc limit 1")
    assert last == {"event": "queue.dropped", "queue_name": Q, "detail": {"tasks": 1}, "via": "drop_queue", "task_id": None, "seq": None}
    assert db.rows("select * from absurd.list_queues()") == []


def test_repair_mends_a_workflow_run_and_logs_before_and_after(db: Database) -> None:
    task_id = task_in(db, "failed")["task_id"]
    good = workflow(db, task_id)
    db.conn.execute("set session_replication_role = replica")
    db.conn.execute("alter table absurd.workflow_run disable trigger all")
    db.conn.execute("update absurd.workflow_run set status = 'pending', error = null, completed_at = null")
    triggers = db.rows("select tgname from pg_trigger where tgrelid = 'absurd.workflow_run'::regclass and not tgisinternal")
    for (name,) in triggers:
        db.conn.execute(f"alter table absurd.workflow_run enable always trigger {name}")
    db.conn.execute("reset session_replication_role")
    assert db.verify() != []
    before = log(db, task_id)

    (row,) = run(db, "select * from absurd.repair()")

    assert (row["action"], row["queue_name"], row["task_id"]) == ("workflow_run", Q, task_id)
    assert (row["before"]["status"], row["after"]["status"]) == ("pending", "failed")
    assert workflow(db, task_id) == good
    assert log(db, task_id) == before
    entry = one(db, "select * from absurd.absurd_event_log where event = 'repaired'")
    assert (entry["detail"]["before"], entry["detail"]["after"], entry["via"]) == (row["before"], row["after"], "repair")


def test_the_origins_story_told_by_sql_alone(db: Database) -> None:
    """A lease expires, claim_task fails the run, no client calls anything: every record says so at each statement."""

    def told(task_id: Any) -> tuple[Any, ...]:
        w, s = workflow(db, task_id), status(db, task_id)
        return w["status"], w["attempts"], w["completed_at"], (w["error"] or {}).get("name"), s and s["state"], s and s["worker"]

    task_id = spawn(db, max_attempts=2)
    assert told(task_id) == ("pending", 1, None, None, "pending", None)
    claim_one(db, worker="dies")
    assert told(task_id) == ("running", 1, None, None, "running", "dies")
    db.clock.set(at(31))
    claim_one(db, worker="dies too")
    assert told(task_id) == ("running", 2, None, None, "running", "dies too")
    db.clock.set(at(62))
    assert claim(db, worker="lives") == []
    assert told(task_id) == ("failed", 2, at(62), "$ClaimTimeout", None, None)

    moves = [(r["event"], r["from_state"], r["to_state"], r["worker"], r["via"], r["attempt"]) for r in log(db, task_id)]
    assert moves == [
        ("task.spawned", "new", "pending", None, "spawn_task", 1),
        ("run.claimed", "pending", "running", "dies", "claim_tasks > claim_task", 1),
        ("run.retried", "running", "pending", "dies", "claim_tasks > claim_task > fail_run", 1),
        ("run.claimed", "pending", "running", "dies too", "claim_tasks > claim_task", 2),
        ("run.failed", "running", "failed", "dies too", "claim_tasks > claim_task > fail_run", 2),
    ]
    runs = db.rows("select attempt, state, claimed_by, failure_reason ->> 'attempt' from absurd.run order by attempt")
    assert runs == [(1, "failed", "dies", "1"), (2, "failed", "dies too", "2")]


WAKES: dict[str, Callable[[Database, Row], object]] = {
    "spawn_task": lambda db, _: spawn(db),
    "emit_event": lambda db, _: emit(db),
    "fail_run: now": lambda db, task: fail(db, task),
    "retry_task": lambda db, _: db.conn.execute("select absurd.retry_task(%s, task_id) from absurd.task where state = 'failed'", (Q,)),
}
QUIET: dict[str, Callable[[Database, Row], object]] = {
    "delayed spawn": lambda db, _: spawn(db, delay_seconds=5),
    "complete_run": lambda db, task: complete(db, task),
    "fail_run: later": lambda db, task: fail(db, task, retry_at=at(50)),
    "cancel_task": lambda db, task: db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, task["task_id"])),
}


@pytest.mark.parametrize(
    ("act", "heard"),
    [(act, [("absurd_work", Q)]) for act in WAKES.values()] + [(act, []) for act in QUIET.values()],
    ids=[*WAKES, *QUIET],
)
def test_an_idle_worker_is_woken_exactly_when_work_is_due(
    db: Database, act: Callable[[Database, Row], object], heard: list[tuple[str, str]]
) -> None:
    await_event(db, running(db))
    task_in(db, "failed")
    task = running(db)
    listener = db.connect()
    notes: list[tuple[str, str]] = []
    listener.add_notify_handler(lambda n: notes.append((n.channel, n.payload)))
    listener.execute("listen absurd_work")
    db.conn.execute("select absurd.worker_idle(%s, %s, 15)", (Q, uuid.uuid4()))

    act(db, task)
    listener.execute("select 1")

    assert notes == heard
