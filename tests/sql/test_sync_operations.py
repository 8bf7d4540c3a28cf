"""worker_sync answers each operation for itself: what it did, or why not, and never for its neighbours."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from races.schedule import Q, Session, Task, claim, claim_one, log, make_queue, op, refused, running, spawn, state, statuses, sync

KINDS: dict[str, dict[str, Any]] = {
    "checkpoint": {"step": "s", "state": {"a": 1}},
    "complete": {"result": {"a": 1}},
    "fail": {"reason": {"name": "E"}, "retry_in": 60},
    "sleep": {"seconds": 60},
    "await": {"step": "s", "event": "e"},
    "await_task": {"step": "s"},
    "emit": {"event": "e", "payload": 1},
    "put_back": {"seconds": 60},
    "release": {},
}
AFTER = {
    "checkpoint": "running",
    "complete": "completed",
    "fail": "sleeping",
    "sleep": "sleeping",
    "await": "sleeping",
    "await_task": "sleeping",
    "emit": "running",
    "put_back": "sleeping",
    "release": "pending",
}


@pytest.fixture(autouse=True)
def queue(db: Database) -> None:
    make_queue(db)


def some(db: Database, kind: str, task: Task) -> dict[str, Any]:
    fields = dict(KINDS[kind])
    if kind == "await_task":
        fields["task"] = spawn(db, delay_seconds=3600)
    return op(kind, task, **fields)


@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_of_the_holder_is_done(db: Database, kind: str) -> None:
    task = running(db)

    answer = sync(db, [some(db, kind, task)])

    assert statuses(answer) == ["ok"]
    assert state(db, task.task_id) == AFTER[kind]
    assert db.verify() == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_sent_again_happens_once(db: Database, kind: str) -> None:
    task = running(db)
    request = [some(db, kind, task)]
    sync(db, request)
    before = (log(db, task.task_id), db.rows("select * from absurd.checkpoint"), db.rows("select * from absurd.wait"))

    again = sync(db, request)

    assert statuses(again) == (["ok"] if kind == "emit" else ["already"])  # emitting what was emitted changes nothing
    assert (log(db, task.task_id), db.rows("select * from absurd.checkpoint"), db.rows("select * from absurd.wait")) == before
    assert db.verify() == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_under_a_lost_claim_is_stale_and_changes_nothing(db: Database, kind: str) -> None:
    task = running(db)
    request = [some(db, kind, task)]
    sync(db, [op("release", task)])
    heir = claim_one(db, worker="w2")

    answer = sync(db, request)

    assert statuses(answer) == ["stale"]
    assert log(db, task.task_id) == ["task.spawned", "run.claimed", "run.released", "run.claimed"]
    assert db.rows("select from absurd.checkpoint") == []
    assert db.rows("select from absurd.event where emitted_at is not null") == []
    assert statuses(sync(db, [op("complete", heir, result=1)])) == ["ok"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_of_a_cancelled_task_is_answered_cancelled(db: Database, kind: str) -> None:
    task = running(db)
    request = [some(db, kind, task)]
    db.one("select absurd.cancel_task(%s, %s) is null", Q, task.task_id)

    assert statuses(sync(db, request)) == ["cancelled"]
    assert state(db, task.task_id) == "cancelled"
    assert db.verify() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_held_row_makes_its_own_operation_busy_and_no_other(db: Database, kind: str) -> None:
    held, free = running(db), running(db)
    request = [some(db, kind, held), op("complete", free, result=1)]
    with Session(db) as other:
        other.run("begin")
        other.run("select from absurd.task where task_id = %s for update", held.task_id)

        assert statuses(sync(db, request)) == ["busy", "ok"]
        assert state(db, held.task_id) == "running"

        other.run("rollback")
    assert statuses(sync(db, request[:1])) == ["ok"]


@pytest.mark.parametrize("kind", ["await", "emit"])
def test_a_held_event_makes_its_operation_busy(db: Database, kind: str) -> None:
    task = running(db)
    sync(db, [some(db, "emit", task)])
    with Session(db) as other:
        other.run("begin")
        other.run("select from absurd.event for update")

        assert statuses(sync(db, [some(db, kind, task), op("complete", task)])) == ["busy", "skipped"]

        other.run("rollback")


@pytest.mark.parametrize(
    "bad",
    [
        {"op": "dance"},
        {"op": "checkpoint", "state": 1},
        {"op": "checkpoint", "step": "", "state": 1},
        {"op": "checkpoint", "step": "s" * 256, "state": 1},
        {"op": "await", "step": "s"},
        {"op": "await", "event": "e"},
        {"op": "await_task", "step": "s"},
        {"op": "emit", "payload": 1},
        {"op": "sleep"},
        {"op": "put_back"},
        {"op": "complete", "result": "x" * 1_048_577},
        {"op": "complete", "result": eval("[" * 65 + "1" + "]" * 65)},
        {"op": "complete", "epoch": None},
    ],
)
def test_a_bad_argument_is_refused_for_its_own_task_alone(db: Database, bad: dict[str, Any]) -> None:
    task, neighbour = running(db), running(db)

    answer = sync(db, [{"task_id": task.task_id, "epoch": task.epoch, **bad}, op("complete", neighbour, result=1)])

    assert statuses(answer) == ["refused", "ok"]
    assert answer["ops"][0]["error"]
    assert (state(db, task.task_id), state(db, neighbour.task_id)) == ("running", "completed")


@pytest.mark.parametrize("seconds", [-1, -1e300, 0, 3e9, 1e300])
def test_a_time_beyond_all_bounds_harms_nobody(db: Database, seconds: float) -> None:
    db.clock.freeze()
    task, neighbour = running(db), running(db)

    answer = sync(db, [op("sleep", task, seconds=seconds), op("complete", neighbour)])

    assert statuses(answer) == ["ok", "ok"]
    if seconds <= 0:  # as 0, not before now: it would come before tasks that have waited longer
        assert db.one("select available_at = absurd.current_time() from absurd.task where task_id = %s", task.task_id)
    assert db.verify() == []


def test_a_task_of_another_queue_and_one_that_is_not_there_are_stale(db: Database) -> None:
    make_queue(db, "other")
    spawn(db, "other")
    task = claim_one(db, "other")

    answer = sync(db, [op("complete", task), {"op": "complete", "epoch": 1, "task_id": "01890000-0000-7000-8000-000000000000"}])

    assert statuses(answer) == ["stale", "stale"]
    assert state(db, task.task_id) == "running"


def test_a_checkpoint_with_another_value_conflicts_and_stops_its_task(db: Database) -> None:
    task, neighbour = running(db), running(db)
    sync(db, [op("checkpoint", task, step="s", state=1)])

    answer = sync(db, [op("checkpoint", task, step="s", state=2), op("complete", task, result=2), op("complete", neighbour)])

    assert statuses(answer) == ["conflict", "skipped", "ok"]
    assert db.one("select state from absurd.checkpoint where task_id = %s", task.task_id) == 1
    assert state(db, task.task_id) == "running"


@pytest.mark.parametrize(("second", "expected"), [(1, "already"), (2, "conflict")])
def test_the_same_step_twice_in_one_call_is_judged_against_the_first(db: Database, second: int, expected: str) -> None:
    task = running(db)

    answer = sync(db, [op("checkpoint", task, step="s", state=1), op("checkpoint", task, step="s", state=second)])

    assert statuses(answer) == ["ok", expected]
    assert db.one("select state from absurd.checkpoint") == 1


def test_operations_of_one_task_apply_in_the_order_of_n_whatever_order_they_come_in(db: Database) -> None:
    task = running(db)
    first = {**op("checkpoint", task, step="s", state=1), "n": 1}
    second = {**op("checkpoint", task, step="t", state=2), "n": 2}
    last = {**op("complete", task, result=3), "n": 3}

    answer = sync(db, [last, second, first])

    assert [(o["n"], o["status"]) for o in answer["ops"]] == [(1, "ok"), (2, "ok"), (3, "ok")]
    assert db.one("select count(*) from absurd.checkpoint") == 2


@pytest.mark.parametrize("end", ["complete", "fail", "sleep", "put_back", "release"])
def test_what_follows_the_end_of_a_run_in_a_call_is_skipped(db: Database, end: str) -> None:
    task = running(db)

    answer = sync(db, [some(db, end, task), op("checkpoint", task, step="late", state=1), op("complete", task, result="late")])

    assert statuses(answer) == ["ok", "skipped", "skipped"]
    assert db.rows("select from absurd.checkpoint") == []
    assert state(db, task.task_id) == AFTER[end]


@pytest.mark.parametrize("late", ["complete", "fail", "sleep", "put_back", "release", "await", "await_task"])
@pytest.mark.parametrize("wait", ["await", "await_task"])
def test_what_follows_a_suspended_wait_in_a_call_is_skipped(db: Database, wait: str, late: str) -> None:
    """One worker's muddle must not make the whole call fail: its neighbours' work would be refused, too."""
    task, neighbour = running(db), running(db)

    answer = sync(db, [some(db, wait, task), {**some(db, late, task)}, op("complete", neighbour)])

    assert statuses(answer) == ["ok", "skipped", "ok"]
    assert state(db, task.task_id) == "sleeping"
    assert db.one("select count(*) from absurd.wait") == 1
    assert db.verify() == []


def test_a_step_and_the_end_may_ride_with_an_await_whose_event_is_there(db: Database) -> None:
    task = running(db)
    db.one("select absurd.emit_event(%s, 'e', '7') is null", Q)

    answer = sync(db, [op("checkpoint", task, step="a", state=1), op("await", task, step="b", event="e"), op("complete", task, result=7)])

    assert statuses(answer) == ["ok", "ok", "ok"]
    assert (answer["ops"][1]["outcome"], answer["ops"][1]["payload"]) == ("event", 7)
    assert state(db, task.task_id) == "completed"


@pytest.mark.parametrize(
    ("fields", "options", "expected"),
    [
        ({"retry_in": 0}, {}, "pending"),
        ({"retry_in": 60}, {}, "sleeping"),
        ({}, {}, "pending"),
        ({}, {"retry_strategy": {"kind": "fixed", "base_seconds": 5}}, "sleeping"),
        ({"retryable": False}, {}, "failed"),
        ({}, {"max_attempts": 1}, "failed"),
        ({"retry_in": 7200}, {"cancellation": {"max_duration": 3600}}, "cancelled"),
    ],
)
def test_a_failure_is_answered_with_the_state_it_led_to(
    db: Database, fields: dict[str, Any], options: dict[str, Any], expected: str
) -> None:
    task = running(db, **options)

    answer = sync(db, [op("fail", task, reason={"name": "E"}, **fields)])

    assert answer["ops"] == [{"n": 0, "status": "ok", "state": expected}]
    assert state(db, task.task_id) == expected
    assert db.verify() == []


@pytest.mark.parametrize("request_", ["null", "{}", '{"queue": "nobody"}', '{"queue": "q", "claim": {"qty": "many"}}'])
def test_a_request_that_is_none_is_refused(db: Database, request_: str) -> None:
    assert refused(db, "select absurd.worker_sync(%s)", request_) in ("TW301", "42P01", "22004")


def test_an_empty_call_answers_with_the_time(db: Database) -> None:
    db.clock.freeze()

    answer = sync(db, [], call=3)

    assert (answer["ops"], answer["claims"], answer["more"], answer["call"]) == ([], [], False, 3)


def test_a_sleeping_run_cannot_be_failed_by_the_worker_that_put_it_to_sleep(db: Database) -> None:
    task = running(db)
    sync(db, [op("sleep", task, seconds=60)])

    assert statuses(sync(db, [op("fail", task, reason={"name": "lost answer"})])) == ["stale"]
    assert state(db, task.task_id) == "sleeping"


def test_a_sleeping_run_goes_on_when_its_time_has_come_and_not_before(db: Database) -> None:
    db.clock.freeze()
    task = running(db)
    sync(db, [op("sleep", task, seconds=60)])

    db.clock.advance(timedelta(seconds=59))
    assert claim(db) == []
    db.clock.advance(timedelta(seconds=1))
    assert claim_one(db).attempt == task.attempt


@pytest.mark.parametrize(
    "bad",
    [
        {"op": "sleep", "seconds": "soon"},
        {"op": "sleep", "seconds": [1]},
        {"op": "sleep", "until": "tomorrow noon"},
        {"op": "sleep", "until": "2030-02-31T00:00:00Z"},
        {"op": "sleep", "until": {"year": 2030}},
        {"op": "put_back", "seconds": {}},
        {"op": "fail", "reason": {"name": "E"}, "retry_in": "never"},
        {"op": "fail", "reason": {"name": "E"}, "retryable": "perhaps"},
        {"op": "await", "step": "s", "event": "e", "timeout": "long"},
        {"op": "await_task", "step": "s", "task": "42"},
        {"op": "checkpoint", "step": "s", "state": 1, "duration_ms": "fast"},
        {"op": "checkpoint", "step": "s", "state": 1, "duration_ms": 10**400},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_read_is_refused_alone(db: Database, bad: dict[str, Any]) -> None:
    task, neighbour = running(db), running(db)

    answer = sync(db, [op("complete", neighbour, result=1), op(bad["op"], task, **bad), op("complete", task, result=1)])

    assert statuses(answer) == ["ok", "refused", "skipped"]
    assert answer["ops"][1]["error"]
    assert answer["ops"][1]["sqlstate"] == "TW301"
    assert (state(db, task.task_id), state(db, neighbour.task_id)) == ("running", "completed")
    assert db.verify() == []


@pytest.mark.parametrize(
    ("bad", "number"),
    [
        ({"n": 7, "op": "complete", "task_id": "not a uuid", "epoch": 1}, 7),
        ({"n": 7, "op": "complete", "task_id": 42, "epoch": 1}, 7),
        ({"n": 7, "op": "complete", "task_id": "01890000-0000-7000-8000-000000000000", "epoch": "first"}, 7),
        ({"n": 7, "op": "complete", "task_id": "01890000-0000-7000-8000-000000000000", "epoch": 1.5}, 7),
        ({"n": 7, "op": "complete", "task_id": "01890000-0000-7000-8000-000000000000", "epoch": 10**30}, 7),
        ({"n": "seven", "op": "complete", "task_id": "01890000-0000-7000-8000-000000000000", "epoch": 1}, None),
        ({"n": 10**12, "op": "complete", "task_id": "01890000-0000-7000-8000-000000000000", "epoch": 1}, None),
        (42, None),
        ("complete", None),
        (None, None),
        ([], None),
        ({}, None),
    ],
    ids=str,
)
def test_an_operation_of_nobody_is_refused_alone(db: Database, bad: Any, number: int | None) -> None:
    task = running(db)
    good = {"n": 0, **op("complete", task, result=1)}

    answer = db.one("select absurd.worker_sync(%s)", json.dumps({"queue": Q, "ops": [bad, good]}, default=str))

    assert [(o["n"], o["status"]) for o in answer["ops"]] == [(0, "ok"), (number, "refused")]
    assert answer["ops"][1]["sqlstate"] == "TW301"
    assert state(db, task.task_id) == "completed"


@pytest.mark.parametrize("ops", ["{}", "1", '"ops"', "null"])
def test_operations_that_are_no_list_are_refused_as_a_whole(db: Database, ops: str) -> None:
    expected = None if ops == "null" else "TW301"

    assert refused(db, "select absurd.worker_sync(%s)", f'{{"queue": "q", "ops": {ops}}}') == expected
