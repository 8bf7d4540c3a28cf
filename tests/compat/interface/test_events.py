"""What foreign clients rely on about checkpoints and events, as far as tests/sql does not say it."""

from __future__ import annotations

import pytest

from fixtures.database import Database
from sql.helpers import NOBODY, Q, at, await_event, checkpoint, claim_one, emit, expect_error, fail, one, run, running

READ = "select checkpoint_name, state from absurd.get_task_checkpoint_states(%s, %s, %s)"


@pytest.mark.parametrize("step", [None, "", "  "])
def test_the_step_is_checked_before_the_run(db: Database, step: str | None) -> None:
    with expect_error("P0001", "step_name must be provided"):
        run(db, "select absurd.set_task_checkpoint_state(%s, %s, %s, '1', %s)", Q, NOBODY, step, NOBODY)


def test_the_event_and_the_time_out_are_checked_before_the_run(db: Database) -> None:
    for event, timeout, message in ((None, 1, "event_name"), (" ", 1, "event_name"), ("e", -1, "timeout")):
        words = {"event_name": "event_name must be provided", "timeout": "timeout must be non-negative"}
        with expect_error("P0001", words[message]):
            run(db, "select * from absurd.await_event(%s, %s, %s, 's', %s, %s)", Q, NOBODY, NOBODY, event, timeout)


@pytest.mark.parametrize("extend", [0, -5, None])
def test_a_lease_extension_of_nothing_is_ignored(db: Database, extend: int | None) -> None:
    task = running(db)
    checkpoint(db, task, extend=extend)

    assert one(db, "select claim_expires_at from absurd.r_q")["claim_expires_at"] == at(30)


def test_states_are_read_by_the_run_of_the_task(db: Database) -> None:
    task = running(db)
    other = running(db)
    with expect_error("P0001", f'Run "{NOBODY}" not found in queue "q"'):
        run(db, READ, Q, task["task_id"], NOBODY)
    with expect_error("P0001", f'Run "{other["run_id"]}" does not belong to task "{task["task_id"]}" in queue "q"'):
        run(db, READ, Q, task["task_id"], other["run_id"])


def test_an_earlier_attempt_does_not_read_a_later_ones_states(db: Database) -> None:
    first = running(db)
    checkpoint(db, first, "a")
    fail(db, first)
    second = claim_one(db)
    checkpoint(db, second, "b")

    assert [row["checkpoint_name"] for row in run(db, READ, Q, first["task_id"], first["run_id"])] == ["a"]
    assert [row["checkpoint_name"] for row in run(db, READ, Q, first["task_id"], second["run_id"])] == ["a", "b"]


@pytest.mark.parametrize("pending", [True, False, None])
def test_one_state_is_read_with_every_column(db: Database, pending: bool | None) -> None:
    task = running(db)
    db.clock.set(at(1))
    checkpoint(db, task, "a", {"x": 1})
    one_state = "select * from absurd.get_task_checkpoint_state(%s, %s, %s, %s)"

    assert one(db, one_state, Q, task["task_id"], "a", pending) == {
        "checkpoint_name": "a", "state": {"x": 1}, "status": "committed", "owner_run_id": task["run_id"], "updated_at": at(1),
    }  # fmt: skip
    assert run(db, one_state, Q, task["task_id"], "b", pending) == []


def test_a_step_without_a_state_does_not_answer_an_await(db: Database) -> None:
    """SQL NULL is no state: the wait begins."""
    task = running(db)
    run(db, "select absurd.set_task_checkpoint_state(%s, %s, 's', null, %s)", Q, task["task_id"], task["run_id"])

    assert await_event(db, task)["should_suspend"] is True


def test_an_emission_wakes_every_waiter_and_leaves_each_a_step(db: Database) -> None:
    tasks = [running(db) for _ in range(3)]
    for number, task in enumerate(tasks):
        await_event(db, task, step=f"step {number}", timeout=60 if number else None)
    db.clock.set(at(5))
    emit(db, payload={"x": [1, None]})

    woken = run(db, "select state, available_at, wake_event, event_payload, claimed_by, claim_expires_at from absurd.r_q")
    assert [list(row.values()) for row in woken] == [["pending", at(5), None, {"x": [1, None]}, None, None]] * 3
    assert run(db, "select * from absurd.w_q") == []
    saved = run(db, "select task_id, checkpoint_name, state, owner_run_id, updated_at from absurd.c_q order by checkpoint_name")
    assert [tuple(row.values()) for row in saved] == [
        (task["task_id"], f"step {number}", {"x": [1, None]}, task["run_id"], at(5)) for number, task in enumerate(tasks)
    ]


def test_a_second_emission_touches_nothing(db: Database) -> None:
    emit(db)
    db.clock.set(at(5))
    emit(db, payload="other")

    assert one(db, "select payload, emitted_at from absurd.e_q") == {"payload": "payload", "emitted_at": at(0)}


def test_after_a_time_out_a_further_call_waits_anew(db: Database) -> None:
    """Only the event's name counts, not the step."""
    task = running(db)
    await_event(db, task, timeout=1, step="s")
    db.clock.set(at(1))
    claim_one(db)

    assert await_event(db, task, step="another") == {"should_suspend": False, "payload": None}
    assert run(db, "select * from absurd.c_q") == []
    assert await_event(db, task, step="another", timeout=7)["should_suspend"] is True
    assert one(db, "select step_name, event_name, timeout_at, created_at from absurd.w_q") == {
        "step_name": "another", "event_name": "e", "timeout_at": at(8), "created_at": at(1),
    }  # fmt: skip


def test_a_wait_for_another_event_after_a_time_out_is_a_wait(db: Database) -> None:
    task = running(db)
    await_event(db, task, "e", timeout=1)
    db.clock.set(at(1))
    claim_one(db)

    assert await_event(db, task, "f")["should_suspend"] is True
    assert one(db, "select wake_event, available_at::text from absurd.r_q") == {"wake_event": "f", "available_at": "infinity"}


def test_a_payload_that_came_with_the_claim_is_in_the_step_too(db: Database) -> None:
    task = running(db)
    await_event(db, task)
    emit(db)
    again = claim_one(db)

    assert (again["event_payload"], again["wake_event"]) == ("payload", None)
    assert await_event(db, task) == {"should_suspend": False, "payload": "payload"}


def test_events_belong_to_their_queue(db: Database) -> None:
    run(db, "select absurd.create_queue('other')")
    await_event(db, running(db))
    run(db, "select absurd.emit_event('other', 'e', '1')")

    assert one(db, "select state from absurd.r_q") == {"state": "sleeping"}
    assert [row["event_name"] for row in run(db, "select event_name from absurd.e_other")] == ["e"]
