"""record_steps records what worker_sync would record without anything to judge, of many runs at once, and leaves all else to it."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from fixtures.database import Database
from races.schedule import Q, Session, Task, claim_one, make_queue, op, running, statuses, sync

RECORD = "select absurd.record_steps(%s, %s::uuid[], %s::bigint[], %s::text[], %s, %s::double precision[])"


@pytest.fixture
def tasks(db: Database) -> list[Task]:
    make_queue(db)
    return sorted((running(db) for _ in range(3)), key=lambda task: task.task_id)


def record(db: Database, tasks: list[Task], *, queue: str = Q, **given: Any) -> Any:
    call = {
        "ids": [task.task_id for task in tasks],
        "epochs": [task.epoch for task in tasks],
        "steps": [f"step {n}" for n in range(len(tasks))],
        "states": list(range(len(tasks))),
        "durations": [0.5 * n for n in range(len(tasks))],
    } | given
    return db.one(RECORD, queue, call["ids"], call["epochs"], call["steps"], Jsonb(call["states"]), call["durations"])


def recorded(db: Database) -> list[Any]:
    return db.rows("select task_id, checkpoint_name, state, attempt, claim_epoch, duration_ms from absurd.checkpoint order by 1, 2")


def test_each_step_goes_to_its_own_task(db: Database, tasks: list[Task]) -> None:
    sync(db, [op("release", tasks[1])])
    tasks[1] = claim_one(db)

    assert record(db, tasks) is True

    assert tasks[1].epoch == 2
    assert recorded(db) == [(task.task_id, f"step {n}", n, 1, task.epoch, 0.5 * n) for n, task in enumerate(tasks)]
    assert db.verify() == []


def test_it_writes_what_worker_sync_writes(db: Database, tasks: list[Task]) -> None:
    assert record(db, tasks, steps=["a"] * 3, states=[{"a": 1}, None, [1]])
    written = sync(
        db,
        [
            op("checkpoint", task, step="b", state=s, duration_ms=0.5 * n)
            for n, (task, s) in enumerate(zip(tasks, [{"a": 1}, None, [1]], strict=True))
        ],
    )
    assert statuses(written) == ["ok"] * 3

    rows = [
        row[0]
        for row in db.rows(
            "select to_jsonb(c) - 'checkpoint_name' - 'updated_at' || jsonb_build_object('null', c.state is null)"
            " from absurd.checkpoint c order by checkpoint_name, task_id"
        )
    ]
    assert rows[:3] == rows[3:]


@pytest.mark.parametrize("state", [None, 1])
def test_what_was_recorded_and_not_answered_is_there_already(db: Database, tasks: list[Task], state: Any) -> None:
    assert record(db, tasks, steps=["s"] * 3, states=[state] * 3)

    assert statuses(sync(db, [op("checkpoint", task, step="s", state=state) for task in tasks])) == ["already"] * 3


def test_names_come_as_they_are(db: Database, tasks: list[Task]) -> None:
    names = ['a "quoted", {braced} name', "back\\slash", "é\n"]

    assert record(db, tasks, steps=names)

    assert [row[1] for row in recorded(db)] == names


JUDGED: dict[str, dict[str, Any]] = {
    "stale": {"epochs": [1, 2, 1]},
    "an epoch too few": {"epochs": [1, 1]},
    "a step too many": {"steps": ["a", "b", "c", "d"], "states": [1, 2, 3, 4]},
    "a state too few": {"states": [1, 2]},
    "no array": {"states": {"a": 1}},
    "other queue": {"queue": "other"},
    "nothing": {"ids": [], "epochs": [], "steps": [], "states": []},
    "null": {"ids": None, "epochs": None, "steps": None},
}


@pytest.mark.parametrize("what", JUDGED)
def test_nothing_is_done_when_the_runs_are_not_those(db: Database, tasks: list[Task], what: str) -> None:
    make_queue(db, "other")

    assert record(db, tasks, **JUDGED[what]) is False

    assert recorded(db) == []


@pytest.mark.parametrize(
    ("left", "given"),
    {
        "no step": {"steps": ["a", None, "c"]},
        "empty step": {"steps": ["a", "", "c"]},
        "long step": {"steps": ["a", "é" * 128, "c"]},
        "large value": {"states": [1, "x" * 600, 3]},
    }.items(),
)
def test_a_step_to_be_judged_is_left_to_worker_sync(db: Database, tasks: list[Task], left: str, given: dict[str, Any]) -> None:
    assert record(db, tasks, **given) is False, left

    assert [row[0] for row in recorded(db)] == [tasks[0].task_id, tasks[2].task_id]
    ops = [op("checkpoint", task, step=step, state=state) for task, step, state in zip(
        tasks, given.get("steps", ["step 0", "step 1", "step 2"]), given.get("states", [0, 1, 2]), strict=True)]  # fmt: skip
    assert statuses(sync(db, ops)) == ["already", "ok" if left == "large value" else "refused", "already"]


def test_a_step_that_has_a_value_keeps_it(db: Database, tasks: list[Task]) -> None:
    assert record(db, tasks[1:2], states=["first"])

    assert record(db, tasks, steps=["step 0"] * 3) is False

    assert [row[2] for row in recorded(db)] == ["first"], "and the others are left to worker_sync with it"
    assert statuses(sync(db, [op("checkpoint", task, step="step 0", state=1) for task in tasks])) == ["ok", "conflict", "ok"]


def test_an_order_that_is_not_that_of_the_tasks_is_refused(db: Database, tasks: list[Task]) -> None:
    """Another order, or a task twice, would be recorded with another task's attempt, and lock rows in another order."""
    assert record(db, tasks[::-1]) is False
    assert record(db, [tasks[0], tasks[0]]) is False
    assert recorded(db) == []


@pytest.mark.parametrize("end", ["complete", "sleep", "release"])
def test_a_run_that_is_not_running_takes_no_step(db: Database, tasks: list[Task], end: str) -> None:
    sync(db, [op(end, tasks[1], result=1, seconds=60)])

    assert record(db, tasks) is False
    assert recorded(db) == []


def test_it_waits_for_nobody(db: Database, tasks: list[Task]) -> None:
    with Session(db) as other:
        other.run("begin")
        other.run("select from absurd.task where task_id = %s for update", tasks[1].task_id)
        db.conn.execute("set lock_timeout = '1ms'")

        assert record(db, tasks) is False
        other.run("rollback")
    assert record(db, tasks) is True


def test_a_claim_that_is_under_way_is_not_passed_by(db: Database, tasks: list[Task]) -> None:
    """The locks are held to the commit, so nobody takes a run over between the look and the record."""
    ids, epochs = [task.task_id for task in tasks], [task.epoch for task in tasks]
    with Session(db) as worker, Session(db) as other:
        worker.run("begin")
        assert worker.run(RECORD, Q, ids, epochs, ["s"] * 3, Jsonb([1] * 3), None) == [(True,)]
        call = other.start("select absurd.cancel_task('q', %s)", tasks[1].task_id)
        other.waits_for(worker)
        worker.run("commit")
        call.result()

    assert len(recorded(db)) == 3
    assert db.verify() == []
