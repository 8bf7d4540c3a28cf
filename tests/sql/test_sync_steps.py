"""A step that is the only operation of its task in a call takes the shortest way; what is in doubt is judged, as if there were none."""

from __future__ import annotations

from uuid import UUID

import pytest

from fixtures.database import Database
from races.schedule import Session, claim_one, make_queue, op, running, spawn, statuses, sync

STEP = {"step": "s", "state": {"a": 1}}


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def recorded(db: Database) -> dict[UUID, object]:
    return dict(db.rows("select task_id, state from absurd.checkpoint"))


def test_steps_alone_are_recorded_and_nothing_is_judged(db: Database) -> None:
    db.conn.execute("alter function absurd._sync_judge rename to not_there")
    tasks = [running(db) for _ in range(3)]

    answer = sync(db, [op("checkpoint", task, step="s", state=n, duration_ms=2.5) for n, task in enumerate(tasks)])

    assert answer["ops"] == [{"n": n, "status": "ok"} for n in range(3)]
    columns = "attempt, claim_epoch, status, queue_name, duration_ms, updated_at <= absurd.current_time()"
    assert set(db.rows(f"select {columns} from absurd.checkpoint")) == {(1, 1, "committed", "q", 2.5, True)}
    assert recorded(db) == {task.task_id: n for n, task in enumerate(tasks)}


def test_the_attempt_of_a_step_is_its_task_s(db: Database) -> None:
    second = running(db, max_attempts=3)
    sync(db, [op("fail", second, reason={"name": "E"}, retry_in=0)])
    again = claim_one(db)
    first = running(db)

    sync(db, [op("checkpoint", again, **STEP), op("checkpoint", first, **STEP)])

    attempts = dict(db.rows("select task_id, attempt from absurd.checkpoint"))
    assert attempts == {first.task_id: 1, second.task_id: 2}
    assert db.verify() == []


def test_steps_in_doubt_do_not_hold_up_the_others(db: Database) -> None:
    stale = running(db)
    sync(db, [op("release", stale)])
    claim_one(db)
    fine, held, recorded_before, elsewhere = (running(db) for _ in range(4))
    sync(db, [op("checkpoint", recorded_before, step="s", state="first")])
    make_queue(db, "other")
    spawn(db, queue="other")
    foreign = claim_one(db, "other")
    with Session(db) as other:
        other.run("begin")
        other.run("select from absurd.task where task_id = %s for update", held.task_id)
        answer = sync(
            db,
            [
                op("checkpoint", stale, **STEP),
                op("checkpoint", held, **STEP),
                op("checkpoint", recorded_before, **STEP),
                op("checkpoint", foreign, **STEP),
                op("checkpoint", fine, **STEP),
                op("checkpoint", elsewhere, step="", state=1),
            ],
        )
        other.run("rollback")

    assert statuses(answer) == ["stale", "busy", "conflict", "stale", "ok", "refused"]
    assert recorded(db) == {fine.task_id: {"a": 1}, recorded_before.task_id: "first"}
    assert db.verify() == []


def test_a_step_behind_one_that_is_refused_is_not_recorded(db: Database) -> None:
    task, done = running(db), running(db)

    answer = sync(
        db,
        [
            op("checkpoint", task, step="", state=1),
            op("checkpoint", task, step="second", state=2),
            op("complete", done, result=1),
            op("checkpoint", done, step="late", state=1),
        ],
    )

    assert statuses(answer) == ["refused", "skipped", "ok", "skipped"]
    assert recorded(db) == {}


def test_operations_that_share_a_number_are_not_confused(db: Database) -> None:
    """Numbers are the client's business; a step must not swallow another task's operation."""
    step, end = running(db), running(db)

    sync(db, [{**op("checkpoint", step, **STEP), "n": 7}, {**op("complete", end, result=1), "n": 7}])

    assert db.one("select state from absurd.task where task_id = %s", end.task_id) == "completed"
    assert recorded(db) == {step.task_id: {"a": 1}}


def test_a_brief_answer_has_only_what_there_is_to_say(db: Database) -> None:
    tasks = [running(db) for _ in range(6)]
    awaited = spawn(db, delay_seconds=60)

    answer = sync(
        db,
        [
            op("checkpoint", tasks[0], **STEP),
            op("complete", tasks[1], result=1),
            op("sleep", tasks[2], seconds=1),
            op("await_task", tasks[3], step="s", task=awaited),
            op("fail", tasks[4], reason={"name": "E"}),
            op("checkpoint", tasks[5], step="", state=1),
        ],
        brief=True,
    )

    assert [(o["n"], o["status"]) for o in answer["ops"]] == [(3, "ok"), (4, "ok"), (5, "refused")]
    assert answer["ops"][0]["outcome"] == "suspended"


@pytest.mark.parametrize("kind", ["checkpoint", "complete"])
def test_a_single_operation_whose_row_is_held_is_busy(db: Database, kind: str) -> None:
    task = running(db)
    with Session(db) as other:
        other.run("begin")
        other.run("select from absurd.task where task_id = %s for update", task.task_id)
        answer = sync(db, [op(kind, task, **STEP, result=1)])
        other.run("rollback")

    assert statuses(answer) == ["busy"]
