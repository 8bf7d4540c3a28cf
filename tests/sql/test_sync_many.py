"""Many steps and completions in one call are locked by one look along the primary key; what is in doubt is judged as in a small call."""

from __future__ import annotations

import random

import pytest

from fixtures.database import Database
from races.schedule import Session, claim_one, make_queue, op, running, spawn, statuses, sync

MANY = 25


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def test_each_step_and_end_of_many_is_its_own_task_s(db: Database) -> None:
    """In whatever order they come."""
    tasks = [running(db) for _ in range(MANY)]
    random.Random(7).shuffle(tasks)
    request = [op("complete", t, result=n) if n % 3 == 0 else op("checkpoint", t, step="s", state=n) for n, t in enumerate(tasks)]

    answer = sync(db, request)

    assert answer["ops"] == [{"n": n, "status": "ok"} for n in range(MANY)]
    wrote = dict(db.rows("select task_id, state from absurd.checkpoint union all select task_id, result from absurd.run"))
    assert wrote == {t.task_id: n for n, t in enumerate(tasks)}
    assert db.verify() == []


def test_the_attempts_of_many_steps_are_their_tasks(db: Database) -> None:
    retried = [running(db, max_attempts=3) for _ in range(5)]
    sync(db, [op("fail", task, reason={"name": "E"}, retry_in=0) for task in retried])
    tasks = [*(claim_one(db) for _ in retried), *(running(db) for _ in range(MANY))]

    sync(db, [op("checkpoint", task, step="s", state=1) for task in reversed(tasks)])

    attempts = dict(db.rows("select task_id, attempt from absurd.checkpoint"))
    assert attempts == {task.task_id: 2 if n < 5 else 1 for n, task in enumerate(tasks)}


@pytest.mark.parametrize("kind", ["checkpoint", "complete"])
@pytest.mark.parametrize("doubt", ["stale", "busy", "conflict", "foreign", "refused", "twice"])
def test_one_in_doubt_among_many_does_not_hold_up_the_others(db: Database, kind: str, doubt: str) -> None:
    make_queue(db, "other")
    tasks = [running(db) for _ in range(MANY)]
    odd = tasks[MANY // 2]
    what = {"state": 1, "step": "s"} if kind == "checkpoint" else {"result": 1}
    request = [op(kind, task, **what) for task in tasks]
    expected = ["ok"] * MANY
    if doubt == "stale":
        sync(db, [op("release", odd)])
        claim_one(db)
        expected[MANY // 2] = "stale"
    elif doubt == "busy":
        expected[MANY // 2] = "busy"
    elif doubt == "conflict":
        sync(db, [op("checkpoint", odd, step="s", state="first")])
        request[MANY // 2] = op("checkpoint", odd, step="s", state=1)
        expected[MANY // 2] = "conflict"
    elif doubt == "foreign":
        spawn(db, queue="other")
        request[MANY // 2] = op(kind, claim_one(db, "other"), **what)
        expected[MANY // 2] = "stale"
    elif doubt == "refused":
        request[MANY // 2] = op("checkpoint", odd, step="", state=1)
        expected[MANY // 2] = "refused"
    else:
        request.insert(MANY // 2, op("checkpoint", odd, step="before", state=2))
        expected.append("ok")
    with Session(db) as other:
        other.run("begin")
        if doubt == "busy":
            other.run("select from absurd.task where task_id = %s for update", odd.task_id)
        answer = sync(db, request)
        other.run("rollback")

    assert statuses(answer) == expected
    made = db.one("select count(*) from absurd.checkpoint where state = '1'") + db.one(
        "select count(*) from absurd.run where state = 'completed'"
    )
    assert made == MANY - (doubt != "twice")
    assert db.verify() == []
