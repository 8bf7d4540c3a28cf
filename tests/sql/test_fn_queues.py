"""Queue management and clean-up: names, modes, policies, limits, and the words of each refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import Q, at, await_event, claim_one, complete, emit, expect_error, fail, one, prepare, run, running, spawn, state, task_in

UNPARTITIONED = {
    "queue_name": Q, "storage_mode": "unpartitioned", "default_partition": "enabled", "partition_lookahead": timedelta(days=28),
    "partition_lookback": timedelta(days=1), "cleanup_ttl": timedelta(days=30), "cleanup_limit": 1000, "detach_mode": "none",
    "detach_min_age": timedelta(days=30),
}  # fmt: skip


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


def policy(db: Database, document: Any, queue: str | None = Q) -> None:
    run(db, "select absurd.set_queue_policy(%s, %s)", queue, json.dumps(document))


VALIDATORS = [
    "select absurd.create_queue(%s)",
    "select absurd.validate_queue_name(%s)",
    "select absurd.ensure_queue_tables(%s)",
    "select absurd.set_queue_policy(%s, '{}')",
    "select * from absurd.get_task_result(%s, null)",
]


@pytest.mark.parametrize("call", VALIDATORS)
def test_a_queues_name_is_checked_where_absurd_checks_it(db: Database, call: str) -> None:
    long = "é" * 29
    for bad, message in ((None, "Queue name must be provided"), ("", "Queue name must be provided"),
                         (long, f'Queue name "{long}" is too long (max 57 bytes).')):  # fmt: skip
        with expect_error("P0001", message):
            run(db, call, bad)


def test_a_valid_name_is_returned(db: Database) -> None:
    assert db.one("select absurd.validate_queue_name(%s)", "x" * 57) == "x" * 57


@pytest.mark.parametrize("mode", ["unpartitioned", "partitioned", " Partitioned ", "UNPARTITIONED"])
def test_a_storage_mode_is_trimmed_and_lower_cased(db: Database, mode: str) -> None:
    run(db, "select absurd.create_queue('m', %s)", mode)

    assert db.one("select storage_mode from absurd.queues where queue_name = 'm'") == mode.strip().lower()


@pytest.mark.parametrize(("mode", "printed"), [(None, "<NULL>"), ("", ""), ("Sharded", "Sharded")])
def test_another_storage_mode_is_refused(db: Database, mode: Any, printed: str) -> None:
    with expect_error("P0001", f'Unsupported queue storage mode "{printed}"'):
        run(db, "select absurd.create_queue('m', %s)", mode)


def test_creating_a_queue_again_keeps_its_rows(db: Database) -> None:
    spawn(db)

    run(db, "select absurd.create_queue(%s)", Q)

    assert len(db.rows("select 1 from absurd.t_q")) == 1


def test_a_queue_keeps_its_storage_mode(db: Database) -> None:
    with expect_error("P0001", 'Queue "q" already exists with storage mode "unpartitioned"'):
        run(db, "select absurd.create_queue(%s, 'partitioned')", Q)
    run(db, "select absurd.create_queue('p', 'partitioned')")
    with expect_error("P0001", 'Queue "p" already exists with storage mode "partitioned"'):
        run(db, "select absurd.create_queue('p')")


def test_a_partitioned_queue_works_as_any_other(db: Database) -> None:
    run(db, "select absurd.create_queue('p', 'partitioned')")
    spawn(db, queue="p", idempotency_key="k")

    assert claim_one(db, queue="p")["attempt"] == 1
    assert len(db.rows("select 1 from absurd.t_p")) == 1


@pytest.mark.parametrize("name", [None, "", "nowhere", "x" * 58])
def test_dropping_what_is_not_there_does_nothing(db: Database, name: Any) -> None:
    run(db, "select absurd.drop_queue(%s)", name)

    assert db.rows("select * from absurd.list_queues()") == [(Q,)]


def test_queues_are_listed_by_name(db: Database) -> None:
    for name in ("z", "a"):
        run(db, "select absurd.create_queue(%s)", name)

    assert db.rows("select * from absurd.list_queues()") == [("a",), (Q,), ("z",)]


def test_a_new_queue_has_the_default_policy(db: Database) -> None:
    assert run(db, "select * from absurd.get_queue_policy(%s)", Q) == [UNPARTITIONED]
    assert run(db, "select * from absurd.get_queue_policy('nowhere')") == []
    assert run(db, "select * from absurd.get_queue_policy(null)") == []


@pytest.mark.parametrize(
    ("document", "changed"),
    [
        ({}, {}),
        ({"cleanup_ttl": "7 days"}, {"cleanup_ttl": timedelta(days=7)}),
        ({"cleanup_ttl": "0"}, {"cleanup_ttl": timedelta(0)}),
        ({"cleanup_limit": 5, "detach_mode": " EMPTY "}, {"cleanup_limit": 5, "detach_mode": "empty"}),
        ({"cleanup_limit": "6"}, {"cleanup_limit": 6}),
        (
            {"partition_lookahead": "1 day", "partition_lookback": "2 days", "detach_min_age": "3 days"},
            {"partition_lookahead": timedelta(1), "partition_lookback": timedelta(2), "detach_min_age": timedelta(3)},
        ),
    ],
)
def test_a_policy_changes_what_it_names(db: Database, document: Any, changed: Any) -> None:
    policy(db, document)

    assert run(db, "select * from absurd.get_queue_policy(%s)", Q) == [UNPARTITIONED | changed]


def test_a_null_policy_changes_nothing(db: Database) -> None:
    run(db, "select absurd.set_queue_policy(%s, null)", Q)

    assert run(db, "select * from absurd.get_queue_policy(%s)", Q) == [UNPARTITIONED]


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ([], "P0001", "Queue policy must be a JSON object"),
        (None, "P0001", "Queue policy must be a JSON object"),
        ("x", "P0001", "Queue policy must be a JSON object"),
        ({"color": 1}, "P0001", 'Unsupported queue policy key "color"'),
        ({"cleanup_ttl": "-1 day"}, "P0001", "cleanup_ttl must be non-negative"),
        ({"detach_min_age": "-1 s"}, "P0001", "detach_min_age must be non-negative"),
        ({"partition_lookahead": "-1 s"}, "P0001", "partition_lookahead must be non-negative"),
        ({"partition_lookback": "-1 s"}, "P0001", "partition_lookback must be non-negative"),
        ({"cleanup_ttl": "soon"}, "22007", None),
        ({"cleanup_ttl": None}, "23502", None),
        ({"cleanup_limit": None}, "23502", None),
        ({"cleanup_limit": 0}, "P0001", "cleanup_limit must be at least 1"),
        ({"cleanup_limit": "few"}, "22P02", None),
        ({"detach_mode": "some"}, "P0001", 'Unsupported detach mode "some"'),
        ({"default_partition": "maybe"}, "P0001", 'Unsupported default_partition mode "maybe"'),
        ({"default_partition": "enabled"}, "P0001", "default_partition policy is only supported for partitioned queues"),
        ({"max_payload_bytes": 5}, "TW301", None),
        ({"max_payload_bytes": "all"}, "TW301", None),
    ],
)
def test_a_bad_policy_is_refused_and_changes_nothing(db: Database, document: Any, code: str, message: str | None) -> None:
    with expect_error(code, message):
        policy(db, document)

    assert run(db, "select * from absurd.get_queue_policy(%s)", Q) == [UNPARTITIONED]


def test_a_policy_is_checked_in_absurds_order(db: Database) -> None:
    with expect_error("P0001", 'Unsupported queue policy key "color"'):
        policy(db, {"color": 1}, "nowhere")
    with expect_error("P0001", 'Queue "nowhere" does not exist'):
        policy(db, {"cleanup_limit": 0}, "nowhere")


@pytest.mark.parametrize("call", ["cleanup_tasks", "cleanup_events"])
@pytest.mark.parametrize("ttl", [None, -1])
def test_a_time_to_live_is_not_negative(db: Database, call: str, ttl: Any) -> None:
    with expect_error("P0001", "TTL must be a non-negative number of seconds"):
        run(db, f"select absurd.{call}(%s, %s)", Q, ttl)


@pytest.mark.parametrize("call", ["cleanup_tasks", "cleanup_events"])
@pytest.mark.parametrize(("limit", "gone"), [(0, 0), (2, 2), (None, 3)])
def test_cleanup_takes_the_oldest_up_to_its_limit(db: Database, call: str, limit: Any, gone: int) -> None:
    for n in range(3):
        db.clock.set(at(n))
        task_in(db, "failed")
        emit(db, f"e{n}")
    db.clock.set(at(10))

    assert db.one(f"select absurd.{call}(%s, 5, %s)", Q, limit) == gone

    relation, moment = {"cleanup_tasks": ("task", "ended_at"), "cleanup_events": ("event", "emitted_at")}[call]
    assert [m for (m,) in db.rows(f"select {moment} from absurd.{relation} order by 1")] == [at(n) for n in range(gone, 3)]


@pytest.mark.parametrize(("age", "gone"), [(10, 0), (10.001, 1)])
def test_cleanup_takes_what_is_strictly_older(db: Database, age: float, gone: int) -> None:
    task_in(db, "completed")
    emit(db)
    db.clock.set(at(age))

    assert db.one("select absurd.cleanup_tasks(%s, 10)", Q) == gone
    assert db.one("select absurd.cleanup_events(%s, 10)", Q) == gone


def test_cleanup_of_events_loses_no_wait(db: Database) -> None:
    task = running(db)
    await_event(db, task)
    db.clock.set(at(100))

    assert db.one("select absurd.cleanup_events(%s, 0)", Q) == 0
    emit(db)

    assert state(db, task["task_id"]) == "pending"


def test_after_its_cleanup_an_event_may_be_emitted_anew(db: Database) -> None:
    emit(db, payload=1)
    db.clock.set(at(1))
    run(db, "select absurd.cleanup_events(%s, 0)", Q)

    emit(db, payload=2)

    assert db.one("select payload from absurd.e_q") == 2


def test_cleaning_all_queues_follows_each_queues_policy(db: Database) -> None:
    run(db, "select absurd.create_queue('b')")
    policy(db, {"cleanup_ttl": "10 seconds", "cleanup_limit": 1})
    for queue in (Q, "b"):
        for _ in range(2):
            spawn(db, queue=queue)
            run(db, "select absurd.cancel_task(%s, task_id) from absurd.task where state = 'pending'", queue)
    emit(db)
    db.clock.set(at(11))

    rows = run(db, "select * from absurd.cleanup_all_queues()")

    assert rows == [
        {"queue_name": "b", "tasks_deleted": 0, "events_deleted": 0},
        {"queue_name": Q, "tasks_deleted": 1, "events_deleted": 1},
    ]
    assert [r["queue_name"] for r in run(db, "select * from absurd.cleanup_all_queues('b')")] == ["b"]


def test_cleaning_an_unknown_queue_is_refused(db: Database) -> None:
    with expect_error("P0001", 'Queue "nowhere" does not exist'):
        run(db, "select * from absurd.cleanup_all_queues('nowhere')")
    with expect_error("P0001", "Queue name must be provided"):
        run(db, "select * from absurd.cleanup_all_queues('')")


@pytest.mark.parametrize("result", [{"x": 1}, None])
def test_a_result_is_told_only_of_a_completed_task(db: Database, result: Any) -> None:
    task = running(db)
    complete(db, task, result)

    told = one(db, "select *, jsonb_typeof(result) as type from absurd.get_task_result(%s, %s)", Q, task["task_id"])

    assert (told["state"], told["result"], told["failure_reason"]) == ("completed", result, None)
    assert told["type"] == ("object" if result else "null")


def test_a_sql_null_result_stays_sql_null(db: Database) -> None:
    task = running(db)
    run(db, "select absurd.complete_run(%s, %s)", Q, task["run_id"])

    assert one(db, "select result is null as none from absurd.get_task_result(%s, %s)", Q, task["task_id"]) == {"none": True}


@pytest.mark.parametrize("before", ["pending", "running", "sleeping", "cancelled"])
def test_a_task_that_neither_completed_nor_failed_has_no_outcome(db: Database, before: str) -> None:
    task = task_in(db, before)

    told = one(db, "select * from absurd.get_task_result(%s, %s)", Q, task["task_id"])

    assert told == {"task_id": task["task_id"], "state": before, "result": None, "failure_reason": None}


def test_a_failed_task_tells_why_and_an_unknown_one_nothing(db: Database) -> None:
    task = running(db, max_attempts=2)
    fail(db, task, "first")
    assert one(db, "select failure_reason from absurd.get_task_result(%s, %s)", Q, task["task_id"]) == {"failure_reason": None}
    fail(db, claim_one(db), "last")

    assert one(db, "select failure_reason from absurd.get_task_result(%s, %s)", Q, task["task_id"]) == {"failure_reason": "last"}
    assert run(db, "select * from absurd.get_task_result(%s, %s)", Q, task["run_id"]) == []
