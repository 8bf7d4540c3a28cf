"""The edges of the interface: which check comes first, what is accepted at the limits, by position and by name."""

from __future__ import annotations

import json
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
    run,
    running,
    spawn,
    state,
)  # fmt: skip

LONG = "n" * 58
TAKES_ALL_QUEUES = ("cleanup_all_queues", "ensure_partitions", "list_detach_candidates", "schedule_detach_jobs", "enable_cron")


@pytest.mark.parametrize("function", [*TAKES_ALL_QUEUES, "disable_cron"])
@pytest.mark.parametrize("queues", [True, False])
def test_a_name_that_no_queue_may_have_is_told_before_anything_else(db: Database, function: str, queues: bool) -> None:
    """Also where no queue is there to compare it with, and before pg_cron is looked for."""
    if not queues:
        run(db, "select absurd.drop_queue('q')")
    with expect_error("P0001", "Queue name must be provided"):
        run(db, f"select * from absurd.{function}('')")
    with expect_error("P0001", f'Queue name "{LONG}" is too long (max 57 bytes).'):
        run(db, f"select * from absurd.{function}(%s)", LONG)


@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_task_without_a_name_is_refused_before_its_queue_is_looked_for(db: Database, name: str | None) -> None:
    with expect_error("P0001", "task_name must be provided"):
        run(db, "select * from absurd.spawn_task('nowhere', %s, '1', '{\"max_attempts\": 0}')", name)


@pytest.mark.parametrize(("given", "code"), [("0", "P0001"), ("-3", "P0001"), ("1.5", "22P02"), ('"x"', "22P02")])
def test_attempts_are_checked_before_the_queue_is_looked_for(db: Database, given: str, code: str) -> None:
    with expect_error(code, "max_attempts must be >= 1" if code == "P0001" else None):
        run(db, "select * from absurd.spawn_task('nowhere', 'work', '1', %s)", f'{{"max_attempts": {given}}}')


def test_a_key_is_the_text_of_its_value(db: Database) -> None:
    spawned = [
        one(db, "select created, task_id from absurd.spawn_task('q', %s, '1', %s)", name, f'{{"idempotency_key": {key}}}')
        for name, key in (("a", "5"), ("b", '"5"'), ("c", '""'), ("d", '""'), ("e", "null"), ("f", "null"))
    ]

    assert [row["created"] for row in spawned] == [True, False, True, False, True, True]
    with expect_error("P0001", "max_attempts must be >= 1"):
        run(db, "select absurd.spawn_task('q', 'a', '1', '{\"idempotency_key\": 5, \"max_attempts\": 0}')")


@pytest.mark.parametrize(("given", "told"), [(None, "worker"), ("", "worker"), (" ", " "), ("a b", "a b")])
def test_a_worker_may_be_called_anything(db: Database, given: str | None, told: str) -> None:
    spawn(db)
    run(db, "select * from absurd.claim_task('q', %s, null, null)", given)

    assert one(db, "select claimed_by, claim_expires_at from absurd.r_q") == {"claimed_by": told, "claim_expires_at": at(30)}


def test_an_end_of_a_retry_time_decides_even_where_the_stored_strategy_is_bad(db: Database) -> None:
    """The strategy of an older release is needed only where no time is given; then the task fails for good."""
    first, second = running(db, max_attempts=5), running(db, max_attempts=5)
    db.conn.execute('update absurd.task set retry_strategy = \'{"kind": "sometimes"}\'')
    fail(db, first, retry_at=at(60))
    fail(db, second)

    assert (state(db, first["task_id"]), state(db, second["task_id"])) == ("sleeping", "failed")


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "2001-01-01Z"])
def test_a_run_sleeps_until_any_moment(db: Database, moment: str) -> None:
    task = running(db)
    run(db, "select absurd.schedule_run('q', %s, %s)", task["run_id"], moment)

    assert [row["run_id"] for row in claim(db)] == ([] if moment == "infinity" else [task["run_id"]])


def test_a_time_to_wake_is_asked_for_after_the_run(db: Database) -> None:
    with expect_error("P0001", f'Run "{NOBODY}" is not currently running in queue "q"'):
        run(db, "select absurd.schedule_run('q', %s, null)", NOBODY)
    with expect_error("23502"):
        run(db, "select absurd.schedule_run('q', %s, null)", running(db)["run_id"])


def test_a_failed_run_that_awaits_is_told_so_plainly(db: Database) -> None:
    task = running(db)
    fail(db, task)

    with expect_error("P0001", f'Run "{task["run_id"]}" must be running to await events'):
        await_event(db, task)


def test_an_emission_after_the_time_out_leaves_the_run_to_the_next_claim(db: Database) -> None:
    """It is not woken and gets no payload; when it awaits again it gets the stored one."""
    task = running(db)
    await_event(db, task, timeout=1)
    db.clock.set(at(2))
    emit(db)

    assert one(db, "select state, available_at, event_payload from absurd.r_q") == {
        "state": "sleeping", "available_at": at(1), "event_payload": None,
    }  # fmt: skip
    again = claim_one(db)
    assert (again["wake_event"], again["event_payload"]) == ("e", None)
    assert await_event(db, again) == {"should_suspend": False, "payload": "payload"}


def test_an_earlier_run_of_a_cancelled_task_has_failed(db: Database) -> None:
    """complete_run looks at the run, extend_claim and the checkpoint at the task first."""
    task = running(db)
    fail(db, task)
    run(db, "select absurd.cancel_task('q', %s)", task["task_id"])
    failed = f'Run "{task["run_id"]}" has already failed in queue "q"'
    with expect_error("AB002", failed):
        complete(db, task)
    with expect_error("AB002", failed):
        fail(db, task)
    with expect_error("AB001", "Task has been cancelled"):
        run(db, "select absurd.extend_claim('q', %s, 5)", task["run_id"])
    with expect_error("AB001", "Task has been cancelled"):
        checkpoint(db, task)


@pytest.mark.parametrize("function", ["cleanup_tasks", "cleanup_events"])
@pytest.mark.parametrize("age", [None, -1])
def test_an_age_is_checked_before_the_queue_is_looked_for(db: Database, function: str, age: int | None) -> None:
    with expect_error("P0001", "TTL must be a non-negative number of seconds"):
        run(db, f"select absurd.{function}('nowhere', %s)", age)


def test_a_key_is_checked_before_the_queue_and_a_value_after_it(db: Database) -> None:
    with expect_error("P0001", 'Unsupported queue policy key "color"'):
        run(db, "select absurd.set_queue_policy('nowhere', '{\"color\": 1}')")
    with expect_error("P0001", 'Queue "nowhere" does not exist'):
        run(db, "select absurd.set_queue_policy('nowhere', '{\"cleanup_limit\": 0}')")
    run(db, "select absurd.set_queue_policy('q', null), absurd.set_queue_policy('q', '{\"detach_mode\": \" EMPTY \"}')")

    assert one(db, "select detach_mode from absurd.get_queue_policy('q')") == {"detach_mode": "empty"}


def test_creating_a_queue_again_touches_no_view(db: Database) -> None:
    """Clients create their queue before each spawn: one that did so in a long transaction must not lock others out."""
    spawn(db)
    first = db.connect(autocommit=False)
    first.execute("select absurd.create_queue('q')")
    db.conn.execute("set lock_timeout = '2s'")

    assert len(run(db, "select * from absurd.t_q")) == 1
    run(db, "select absurd.create_queue('q')")
    first.rollback()


CALLS: dict[str, tuple[Any, ...]] = {
    "spawn_task": ("q", "work", "1", '{"max_attempts": 2}'),
    "claim_task": ("q", "w", 30, 1),
    "set_task_checkpoint_state": ("q", "task", "a", "1", "run", 40),
    "get_task_checkpoint_state": ("q", "task", "a", False),
    "get_task_checkpoint_states": ("q", "task", "run"),
    "extend_claim": ("q", "run", 60),
    "await_event": ("q", "task", "run", "s", "e", 5),
    "emit_event": ("q", "e", "1"),
    "complete_run": ("q", "run", "1"),
    "get_task_result": ("q", "task"),
    "cleanup_tasks": ("q", 0, 5),
    "cleanup_events": ("q", 0, 5),
    "cleanup_all_queues": ("q",),
    "schedule_run": ("q", "run", "2030-01-01Z"),
    "fail_run": ("q", "run", '{"why": 1}', None),
    "retry_task": ("q", "task", "{}"),
    "cancel_task": ("q", "task"),
}
STORY = (
    "spawn_task", "claim_task", "set_task_checkpoint_state", "get_task_checkpoint_state", "get_task_checkpoint_states", "extend_claim",
    "await_event", "emit_event", "claim_task", "complete_run", "get_task_result", "cleanup_tasks", "cleanup_events", "cleanup_all_queues",
    "spawn_task", "claim_task", "schedule_run", "claim_task", "fail_run", "claim_task", "fail_run", "retry_task", "cancel_task",
)  # fmt: skip


def test_every_call_of_a_story_reads_the_same_by_position_and_by_name(db: Database) -> None:
    """Twice the same calls, once with names; what they answer is equal but for the ids."""
    told: list[list[Any]] = []
    for by_name in (False, True):
        run(db, "select absurd.drop_queue('q'), absurd.create_queue('q')")
        ids: dict[str, Any] = {}
        answers: list[Any] = []
        for function in STORY:
            named = db.one("select proargnames from pg_proc where proname = %s and pronamespace = 'absurd'::regnamespace", function)
            given = [ids.get(value, value) if isinstance(value, str) else value for value in CALLS[function]]
            signature = ", ".join(f"{name} => %s" if by_name else "%s" for name, _ in zip(named, given, strict=False))
            rows = run(db, f"select * from absurd.{function}({signature})", *given)
            ids |= {key: row[f"{key}_id"] for row in rows for key in ("task", "run") if f"{key}_id" in row}
            answers.append(
                [function, json.loads(json.dumps([{k: v for k, v in r.items() if not k.endswith("_id")} for r in rows], default=str))]
            )
        told.append(answers)

    assert told[0] == told[1]
    assert len(told[0]) == len(STORY)
    assert {Q} == {row["queue_name"] for row in run(db, "select * from absurd.list_queues()")}
