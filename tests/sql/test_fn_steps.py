"""Checkpoints, events, leases and payload limits, function by function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.database import Database
from sql.helpers import (
    NOBODY,
    Q,
    at,
    await_event,
    checkpoint,
    claim,
    claim_one,
    complete,
    emit,
    expect_error,
    fail,
    one,
    prepare,
    run,
    running,
    spawn,
    state,
)  # fmt: skip

MIB = 1024 * 1024
SIZED = {
    "params": "select absurd.spawn_task(%(q)s, 'w', %(doc)s)",
    "headers": "select absurd.spawn_task(%(q)s, 'w', '1', jsonb_build_object('headers', %(doc)s::jsonb))",
    "result": "select absurd.complete_run(%(q)s, %(run)s, %(doc)s)",
    "reason": "select absurd.fail_run(%(q)s, %(run)s, %(doc)s)",
    "state": "select absurd.set_task_checkpoint_state(%(q)s, %(task)s, 's', %(doc)s, %(run)s)",
    "payload": "select absurd.emit_event(%(q)s, 'e', %(doc)s)",
}


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


def send(db: Database, field: str, document: str) -> None:
    task = running(db)
    try:
        db.conn.execute(SIZED[field], {"q": Q, "doc": document, "run": task["run_id"], "task": task["task_id"]})
    finally:
        assert state(db, task["task_id"]) in ("running", "completed", "pending")


@pytest.mark.parametrize("field", SIZED)
def test_a_document_of_one_mebibyte_is_taken_and_no_byte_more(db: Database, field: str) -> None:
    with expect_error("TW302", f"{field} has {MIB + 1} bytes; the limit is {MIB}"):
        send(db, field, json.dumps("x" * (MIB - 1)))

    db.conn.execute("select absurd.cancel_task(%s, task_id) from absurd.task", (Q,))
    send(db, field, json.dumps("x" * (MIB - 2)))


@pytest.mark.parametrize("field", SIZED)
def test_a_document_nested_64_deep_is_taken_and_no_level_more(db: Database, field: str) -> None:
    with expect_error("TW303", f"{field} is nested deeper than 64 levels"):
        send(db, field, "[" * 65 + "]" * 65)

    db.conn.execute("select absurd.cancel_task(%s, task_id) from absurd.task", (Q,))
    send(db, field, "[" * 64 + "]" * 64)


def test_objects_count_as_levels_too(db: Database) -> None:
    with expect_error("TW303"):
        send(db, "params", '{"a": ' * 65 + "1" + "}" * 65)

    send(db, "params", '{"a": ' * 63 + "[1]" + "}" * 63)


@pytest.mark.parametrize("field", SIZED)
def test_a_queues_policy_sets_its_own_limit(db: Database, field: str) -> None:
    run(db, """select absurd.set_queue_policy(%s, '{"max_payload_bytes": 1024}')""", Q)

    with expect_error("TW302", f"{field} has 1025 bytes; the limit is 1024"):
        send(db, field, json.dumps("x" * 1023))


@pytest.mark.parametrize("step", [None, "", "  "])
def test_a_checkpoint_needs_a_step_name(db: Database, step: Any) -> None:
    task = running(db)

    with expect_error("P0001", "step_name must be provided"):
        checkpoint(db, task, step)


@pytest.mark.parametrize("event", [None, "", "  "])
def test_an_event_needs_a_name(db: Database, event: Any) -> None:
    task = running(db)
    for act in (lambda: emit(db, event), lambda: await_event(db, task, event)):
        with expect_error("P0001", "event_name must be provided"):
            act()


def test_names_over_255_bytes_are_refused(db: Database) -> None:
    task = running(db)
    for act, field in ((lambda: checkpoint(db, task, "n" * 256), "step_name"), (lambda: emit(db, "n" * 256), "event_name"),
                       (lambda: await_event(db, task, "n" * 256), "event_name"),
                       (lambda: await_event(db, task, step="n" * 256), "step_name")):  # fmt: skip
        with expect_error("TW304", f"{field} has 256 bytes"):
            act()


def test_the_first_checkpoint_wins_without_an_epoch_and_another_value_is_refused_with_one(db: Database) -> None:
    task = running(db)
    checkpoint(db, task, "s", {"v": 1}, epoch=1)
    checkpoint(db, task, "s", {"v": 1}, epoch=1)
    checkpoint(db, task, "s", {"v": 2})

    with expect_error("TW202", f'step "s" of task {task["task_id"]} has another value already'):
        checkpoint(db, task, "s", {"v": 2}, epoch=1)

    assert db.rows("select state from absurd.c_q") == [({"v": 1},)]


def test_a_later_attempt_does_not_overwrite_an_earlier_ones_checkpoint(db: Database) -> None:
    task = running(db)
    checkpoint(db, task, "s", 1)
    fail(db, task)
    again = claim_one(db)

    checkpoint(db, again, "s", 2)

    assert one(db, "select state, owner_run_id from absurd.c_q") == {"state": 1, "owner_run_id": task["run_id"]}


def test_sql_null_and_json_null_are_two_values_of_a_checkpoint(db: Database) -> None:
    task = running(db)
    run(db, "select absurd.set_task_checkpoint_state(%s, %s, 'sql', null, %s)", Q, task["task_id"], task["run_id"])
    checkpoint(db, task, "json", None)

    assert db.rows("select checkpoint_name, state is null from absurd.c_q order by 1") == [("json", False), ("sql", True)]
    with expect_error("TW202"):
        checkpoint(db, task, "sql", None, epoch=1)


@pytest.mark.parametrize(("extend", "lease"), [(None, 30), (0, 30), (-5, 30), (5, 30), (60, 70)])
def test_a_checkpoint_lengthens_a_lease_and_never_shortens_it(db: Database, extend: int | None, lease: int) -> None:
    task = running(db)
    db.clock.set(at(10))

    checkpoint(db, task, extend=extend)

    assert db.one("select claim_expires_at from absurd.r_q") == at(lease)


@pytest.mark.parametrize("seconds", [None, 0, -1])
def test_a_lease_is_extended_by_something(db: Database, seconds: int | None) -> None:
    task = running(db)
    with expect_error("P0001", "extend_by must be > 0"):
        run(db, "select absurd.extend_claim(%s, %s, %s)", Q, task["run_id"], seconds)
    with expect_error("P0001", "extend_by must be > 0"):
        run(db, "select absurd.extend_claim(%s, %s, %s)", "nowhere", NOBODY, seconds)


def test_an_extended_lease_counts_from_now(db: Database) -> None:
    task = running(db)
    db.clock.set(at(20))

    run(db, "select absurd.extend_claim(%s, %s, 15)", Q, task["run_id"])

    assert db.one("select claim_expires_at from absurd.r_q") == at(35)


def test_a_heartbeat_answers_each_claim(db: Database) -> None:
    spawn(db)
    spawn(db)
    spawn(db)
    alive, cancelled, ended = claim(db, qty=3)
    run(db, "select absurd.cancel_task(%s, %s)", Q, cancelled["task_id"])
    complete(db, ended)
    claims = [(alive["task_id"], 1), (cancelled["task_id"], 1), (ended["task_id"], 1), (NOBODY, 1), (alive["task_id"], 7)]
    document = json.dumps([{"task_id": str(t), "epoch": e} for t, e in claims])

    rows = db.rows("select status from absurd.heartbeat(%s, %s, 60)", Q, document)

    assert sorted(s for (s,) in rows) == ["cancelled", "lost", "lost", "lost", "ok"]


@pytest.mark.parametrize("call", ["heartbeat(%s, %s, 60)", "release_claims(%s, %s)"])
def test_a_claim_of_another_queue_is_lost_not_busy(db: Database, call: str) -> None:
    task = running(db)
    run(db, "select absurd.create_queue('r')")
    claims = json.dumps([{"task_id": str(task["task_id"]), "epoch": task["claim_epoch"]}])

    assert db.rows(f"select status from absurd.{call}", "r", claims) == [("lost",)]

    assert state(db, task["task_id"]) == "running"


@pytest.mark.parametrize("claims", [None, "{}", "5", '[{"task_id": "x", "epoch": 1}]', '[{"task_id": null, "epoch": "y"}]'])
@pytest.mark.parametrize("call", ["heartbeat(%s, %s, 60)", "release_claims(%s, %s)"])
def test_claims_are_a_list_of_task_and_epoch(db: Database, call: str, claims: str | None) -> None:
    with expect_error("TW301"):
        run(db, f"select * from absurd.{call}", Q, claims)


def test_an_event_that_is_there_is_a_checkpoint_and_stays_it(db: Database) -> None:
    task = running(db)
    emit(db, payload={"v": 1})

    for _ in range(2):
        assert await_event(db, task) == {"should_suspend": False, "payload": {"v": 1}}

    assert one(db, "select checkpoint_name, state, owner_run_id from absurd.c_q") == {
        "checkpoint_name": "s", "state": {"v": 1}, "owner_run_id": task["run_id"],
    }  # fmt: skip


@pytest.mark.parametrize("payload", ["null", None])
def test_an_event_without_a_payload_counts_as_emitted(db: Database, payload: str | None) -> None:
    task = running(db)
    run(db, "select absurd.emit_event(%s, 'e', %s)", Q, payload)

    assert await_event(db, task) == {"should_suspend": False, "payload": None}
    assert db.one("select jsonb_typeof(payload) from absurd.e_q") == "null"


def test_a_saved_step_answers_an_await_of_a_cancelled_task_too(db: Database) -> None:
    task = running(db)
    checkpoint(db, task, "s", "saved")
    run(db, "select absurd.cancel_task(%s, %s)", Q, task["task_id"])

    assert await_event(db, task) == {"should_suspend": False, "payload": "saved"}


@pytest.mark.parametrize(("timeout", "code", "message"), [(-1, "P0001", "timeout must be non-negative"), (2**31, None, None)])
def test_a_time_out_is_seconds(db: Database, timeout: int, code: str | None, message: str | None) -> None:
    task = running(db)
    with expect_error(code or "42883", message):
        await_event(db, task, timeout=timeout)


def test_an_await_without_a_step_is_refused(db: Database) -> None:
    task = running(db)

    with expect_error("23502"):
        run(db, "select * from absurd.await_event(%s, %s, %s, null, 'e')", Q, task["task_id"], task["run_id"])


def test_a_wake_up_needs_a_time(db: Database) -> None:
    task = running(db)

    with expect_error("23502"):
        run(db, "select absurd.schedule_run(%s, %s, null)", Q, task["run_id"])


@pytest.mark.parametrize(("until", "claimed"), [("2029-12-31Z", True), ("2030-01-01Z", True), ("2030-01-02Z", False), ("infinity", False)])
def test_a_run_sleeps_until_its_time(db: Database, until: str, *, claimed: bool) -> None:
    task = running(db)
    run(db, "select absurd.schedule_run(%s, %s, %s)", Q, task["run_id"], until)

    assert [r["run_id"] for r in claim(db)] == ([task["run_id"]] if claimed else [])


def test_a_time_out_of_nothing_suspends_and_is_due_at_once(db: Database) -> None:
    task = running(db)
    assert await_event(db, task, timeout=0)["should_suspend"]

    again = claim_one(db)

    assert await_event(db, again) == {"should_suspend": False, "payload": None}
    assert db.rows("select 1 from absurd.c_q") == []
    assert await_event(db, again)["should_suspend"]


def test_a_wait_that_timed_out_before_the_emission_gets_the_payload_when_it_asks_again(db: Database) -> None:
    task = running(db)
    await_event(db, task, timeout=5)
    db.clock.set(at(5))
    emit(db, payload="late")
    assert state(db, task["task_id"]) == "sleeping"

    assert await_event(db, claim_one(db)) == {"should_suspend": False, "payload": "late"}


def test_saved_states_are_read_with_their_owner_in_order(db: Database) -> None:
    task = running(db)
    checkpoint(db, task, "b", 1)
    db.clock.set(at(1))
    checkpoint(db, task, "a", 2)
    fail(db, task)
    again = claim_one(db)
    checkpoint(db, again, "c", 3)
    read = "select * from absurd.get_task_checkpoint_states(%s, %s, %s)"

    newest = run(db, read, Q, task["task_id"], again["run_id"])

    assert list(newest[0]) == ["checkpoint_name", "state", "status", "owner_run_id", "updated_at"]
    assert [(r["checkpoint_name"], r["state"]) for r in newest] == [("b", 1), ("a", 2), ("c", 3)]
    assert [r["checkpoint_name"] for r in run(db, read, Q, task["task_id"], task["run_id"])] == ["b", "a"]
    with expect_error("P0001", f'Run "{NOBODY}" not found in queue "q"'):
        run(db, read, Q, task["task_id"], NOBODY)
    with expect_error("P0001", f'Run "{task["run_id"]}" does not belong to task "{NOBODY}" in queue "q"'):
        run(db, read, Q, NOBODY, task["run_id"])


def test_a_time_out_is_hidden_from_calls_without_an_epoch(db: Database) -> None:
    task = running(db)
    await_event(db, task, timeout=0, epoch=1)
    await_event(db, claim_one(db), epoch=2)
    one_state = "select status from absurd.get_task_checkpoint_state(%s, %s, 's', %s)"
    states = "select status from absurd.get_task_checkpoint_states(%s, %s, %s, %s)"

    assert [db.rows(one_state, Q, task["task_id"], p) for p in (False, None, True)] == [[], [], [("timed_out",)]]
    assert [db.rows(states, Q, task["task_id"], task["run_id"], e) for e in (None, 2)] == [[], [("timed_out",)]]
