"""claim_task: its columns, its order, how many, for how long, and that one bad row harms only itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import Q, at, await_event, checkpoint, claim, claim_one, emit, expect_error, fail, prepare, run, running, spawn, state

COLUMNS = [
    "run_id", "task_id", "attempt", "task_name", "params", "retry_strategy", "max_attempts", "headers", "wake_event", "event_payload",
]  # fmt: skip


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


def test_claim_task_has_exactly_absurds_ten_columns(db: Database) -> None:
    task_id = spawn(db, params={"p": 1}, retry_strategy={"kind": "fixed"}, max_attempts=3, headers={"h": 1})

    (row,) = run(db, "select * from absurd.claim_task(%s, 'w')", Q)

    assert list(row) == COLUMNS
    assert list(row.values())[1:] == [task_id, 1, "work", {"p": 1}, {"kind": "fixed"}, 3, {"h": 1}, None, None]


def test_claim_tasks_adds_epoch_lease_and_checkpoints(db: Database) -> None:
    task = running(db)
    checkpoint(db, task, "a", {"v": 1})
    fail(db, task)

    row = claim_one(db)

    assert list(row) == [*COLUMNS, "claim_epoch", "claim_expires_at", "checkpoints"]
    assert (row["claim_epoch"], row["claim_expires_at"]) == (2, at(30))
    assert row["checkpoints"] == {"a": {"state": {"v": 1}, "status": "committed"}}


def test_priority_comes_before_age_and_age_before_anything_else(db: Database) -> None:
    old = spawn(db)
    db.clock.set(at(1))
    urgent = spawn(db, priority=-1)
    lazy = spawn(db, priority=1)
    young = spawn(db)
    db.clock.set(at(10))
    slept = spawn(db, start_at=at(-1).isoformat())

    assert [r["task_id"] for r in claim(db, qty=9)] == [urgent, slept, old, young, lazy]


def test_a_task_is_not_claimed_before_its_time(db: Database) -> None:
    task_id = spawn(db, delay_seconds=10)
    db.clock.set(at(9.999))
    assert claim(db) == []
    db.clock.set(at(10))

    assert claim_one(db)["task_id"] == task_id


@pytest.mark.parametrize(("qty", "got"), [(None, 1), (0, 1), (-5, 1), (1, 1), (2, 2), (50, 3)])
def test_a_claim_takes_as_many_as_it_asks_for_and_one_at_least(db: Database, qty: Any, got: int) -> None:
    for _ in range(3):
        spawn(db)

    assert len(claim(db, qty=qty)) == got


@pytest.mark.parametrize(("timeout", "lease"), [(None, 30), (5, 5), (0, 86400), (-1, 86400)])
def test_every_claim_has_a_lease(db: Database, timeout: Any, lease: int) -> None:
    spawn(db)
    claim(db, lease=timeout)

    assert db.one("select claim_expires_at from absurd.r_q") == at(lease)


@pytest.mark.parametrize(("given", "kept"), [(None, "worker"), ("", "worker"), ("me", "me")])
def test_a_worker_without_a_name_is_called_worker(db: Database, given: Any, kept: str) -> None:
    spawn(db)
    claim(db, worker=given)

    assert db.one("select claimed_by from absurd.r_q") == kept


def test_a_claim_takes_from_its_own_queue_alone(db: Database) -> None:
    run(db, "select absurd.create_queue('r')")
    spawn(db, "r")
    own = spawn(db)
    spawn(db, "r")

    assert [c["task_id"] for c in claim(db, qty=10)] == [own]


def test_a_worker_name_over_255_bytes_is_refused(db: Database) -> None:
    with expect_error("TW304", "worker_id has 256 bytes"):
        claim(db, worker="w" * 256)


def test_a_run_that_an_event_woke_has_its_payload(db: Database) -> None:
    await_event(db, running(db))
    emit(db, payload={"ok": True})

    row = claim_one(db)

    assert (row["wake_event"], row["event_payload"], row["attempt"]) == (None, {"ok": True}, 1)


def test_a_run_whose_wait_timed_out_has_the_events_name_and_no_payload(db: Database) -> None:
    await_event(db, running(db), timeout=5)
    db.clock.set(at(5))

    row = claim_one(db)

    assert (row["wake_event"], row["event_payload"]) == ("e", None)
    assert run(db, "select * from absurd.w_q") == []


def test_a_claim_keeps_the_first_start_and_renews_the_last(db: Database) -> None:
    task = running(db)
    run(db, "select absurd.schedule_run(%s, %s, %s)", Q, task["run_id"], at(5))
    db.clock.set(at(5))
    claim_one(db)

    assert db.one("select first_started_at from absurd.t_q") == at(0)
    assert db.one("select started_at from absurd.r_q") == at(5)
    assert db.one("select started_at from absurd.workflow_run") == at(0)


def test_the_sweep_does_not_stop_at_what_the_claim_asked_for(db: Database) -> None:
    for _ in range(40):
        spawn(db, max_attempts=1)
    assert len(claim(db, qty=40)) == 40
    db.clock.set(at(31))

    assert claim(db, qty=1) == []

    assert db.rows("select state, count(*) from absurd.task group by 1") == [("failed", 40)]


def test_a_task_beyond_its_duration_with_an_expired_lease_ends_once(db: Database) -> None:
    task = running(db, cancellation={"max_duration": 20})
    db.clock.set(at(31))

    assert claim(db) == []

    assert state(db, task["task_id"]) == "cancelled"
    assert db.rows("select to_state from absurd.absurd_event_log order by seq") == [("pending",), ("running",), ("cancelled",)]


@pytest.mark.parametrize("rule", ["max_delay", "max_duration"])
@pytest.mark.parametrize("seconds", [0, -5])
def test_a_rule_of_nothing_cancels_at_the_next_claim(db: Database, rule: str, seconds: int) -> None:
    task_id = spawn(db, cancellation={rule: seconds})
    claim(db)
    if rule == "max_duration":
        assert state(db, task_id) == "running"
        claim(db)

    assert state(db, task_id) == "cancelled"


def test_max_delay_no_longer_applies_once_a_task_began(db: Database) -> None:
    task = running(db, cancellation={"max_delay": 5})
    fail(db, task)
    db.clock.set(at(10))

    assert claim_one(db)["task_id"] == task["task_id"]


def test_a_retry_document_gone_bad_fails_only_its_own_task(db: Database) -> None:
    bad = running(db)["task_id"]
    good = running(db)["task_id"]
    run(db, """update absurd.task set retry_strategy = '{"kind": "fixed", "base_seconds": "x"}' where task_id = %s""", bad)
    db.clock.set(at(31))

    assert claim_one(db)["task_id"] == good
    assert state(db, bad) == "failed"


def test_claims_of_another_queue_are_left_alone(db: Database) -> None:
    run(db, "select absurd.create_queue('r')")
    task = running(db)
    db.clock.set(at(31))

    assert claim(db, queue="r") == []

    assert state(db, task["task_id"]) == "running"


def test_claiming_from_an_unknown_queue_is_a_missing_relation(db: Database) -> None:
    with expect_error("42P01", 'relation "absurd.r_nowhere" does not exist'):
        claim(db, queue="nowhere")


def test_a_recovery_that_the_server_hinders_is_tried_again_by_the_next_claim(db: Database) -> None:
    """A deadlock or a lock's time-out is not the task's fault: it has its attempts left."""
    task = running(db)
    other = spawn(db)
    source = db.one("select pg_get_functiondef('absurd.fail_run'::regproc)")
    db.conn.execute(source.replace("\nbegin\n", "\nbegin\n  raise exception 'no lock' using errcode = '55P03';\n", 1))
    db.clock.set(at(31))

    assert [claimed["task_id"] for claimed in claim(db, qty=2)] == [other]
    assert state(db, task["task_id"]) == "running"

    db.conn.execute(source)
    assert [(claimed["task_id"], claimed["attempt"]) for claimed in claim(db)] == [(task["task_id"], 2)]
