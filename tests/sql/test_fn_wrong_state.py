"""Every function on a run: the right state, each wrong one, unknown ids, a stale epoch, and the words of each refusal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from fixtures.database import Database
from sql.helpers import NOBODY, Q, Row, at, claim_one, complete, expect_error, fail, log, prepare, run, running, state, task_in


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []


RESULT = json.dumps("other")
CALLS: dict[str, tuple[str, Callable[[Row], tuple[object, ...]]]] = {
    "complete_run": ("select absurd.complete_run(%s, %s, %s, %s)", lambda t: (Q, t["run_id"], RESULT, t["claim_epoch"])),
    "fail_run": ("select absurd.fail_run(%s, %s, '{}', null, %s)", lambda t: (Q, t["run_id"], t["claim_epoch"])),
    "schedule_run": ("select absurd.schedule_run(%s, %s, %s, %s)", lambda t: (Q, t["run_id"], at(5), t["claim_epoch"])),
    "extend_claim": ("select absurd.extend_claim(%s, %s, 60, %s)", lambda t: (Q, t["run_id"], t["claim_epoch"])),
    "set_task_checkpoint_state": (
        "select absurd.set_task_checkpoint_state(%s, %s, 's', '1', %s, null, %s)",
        lambda t: (Q, t["task_id"], t["run_id"], t["claim_epoch"]),
    ),
    "await_event": (
        "select * from absurd.await_event(%s, %s, %s, 's', 'e', null, %s)",
        lambda t: (Q, t["task_id"], t["run_id"], t["claim_epoch"]),
    ),
}
NOT_RUNNING = ("P0001", 'Run "{run_id}" is not currently running in queue "q"')
CANCELLED = ("AB001", "Task has been cancelled")
FAILED = ("AB002", 'Run "{run_id}" has already failed in queue "q"')
CANNOT = ("P0001", 'Run "{run_id}" cannot be failed in queue "q"')
MUST_RUN = ("P0001", 'Run "{run_id}" must be running to await events')

# how each call without an epoch is refused, by the task's state
WRONG = {
    "complete_run": {"pending": NOT_RUNNING, "sleeping": NOT_RUNNING, "completed": NOT_RUNNING, "failed": FAILED, "cancelled": CANCELLED},
    "fail_run": {"pending": CANNOT, "sleeping": CANNOT, "completed": CANNOT, "failed": FAILED, "cancelled": CANCELLED},
    "schedule_run": dict.fromkeys(["pending", "sleeping", "completed", "failed", "cancelled"], NOT_RUNNING),
    "extend_claim": {"pending": NOT_RUNNING, "sleeping": NOT_RUNNING, "completed": NOT_RUNNING, "failed": FAILED, "cancelled": CANCELLED},
    "set_task_checkpoint_state": {
        "pending": NOT_RUNNING, "sleeping": NOT_RUNNING, "completed": NOT_RUNNING, "failed": FAILED, "cancelled": CANCELLED,
    },
    "await_event": {
        "pending": MUST_RUN, "sleeping": MUST_RUN, "completed": MUST_RUN, "failed": MUST_RUN, "cancelled": CANCELLED,
    },
}  # fmt: skip
UNKNOWN = {
    "complete_run": 'Run "{}" not found in queue "q"',
    "fail_run": 'Run "{}" cannot be failed in queue "q"',
    "schedule_run": 'Run "{}" is not currently running in queue "q"',
    "extend_claim": 'Run "{}" not found in queue "q"',
    "set_task_checkpoint_state": 'Run "{}" not found for checkpoint',
    "await_event": 'Run "{}" not found while awaiting event',
}
CASES = [(call, before, *told) for call, states in WRONG.items() for before, told in states.items()]


def everything(db: Database) -> list[list[tuple[object, ...]]]:
    tables = ["task", "run", "checkpoint", "wait", "workflow_run", "absurd_event_log"]
    return [db.rows(f"select to_jsonb(x) from absurd.{t} x order by 1") for t in tables]


@pytest.mark.parametrize(("call", "before", "code", "message"), CASES)
def test_a_call_in_the_wrong_state_is_refused_in_absurds_words(db: Database, call: str, before: str, code: str, message: str) -> None:
    task = task_in(db, before)
    query, arguments = CALLS[call]
    was = everything(db)

    with expect_error(code, message.format(run_id=task["run_id"])):
        run(db, query, *arguments(task | {"claim_epoch": None}))

    assert everything(db) == was


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_run_is_refused_by_name(db: Database, call: str) -> None:
    query, arguments = CALLS[call]

    with expect_error("P0001", UNKNOWN[call].format(NOBODY)):
        run(db, query, *arguments({"task_id": NOBODY, "run_id": NOBODY, "claim_epoch": None}))


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_queue_is_a_missing_relation(db: Database, call: str) -> None:
    task = running(db)
    query, arguments = CALLS[call]

    with expect_error("42P01", hint='Queue "nowhere" does not exist'):
        run(db, query, "nowhere", *arguments(task)[1:])


@pytest.mark.parametrize("call", CALLS)
def test_a_run_of_another_queue_is_not_found(db: Database, call: str) -> None:
    task = running(db)
    db.conn.execute("select absurd.create_queue('r')")
    query, arguments = CALLS[call]

    with expect_error("P0001"):
        run(db, query, "r", *arguments(task | {"claim_epoch": None})[1:])

    assert state(db, task["task_id"]) == "running"


@pytest.mark.parametrize("epoch", [0, 2, -1])
@pytest.mark.parametrize("call", CALLS)
def test_another_claims_epoch_is_refused_as_a_lost_lease(db: Database, call: str, epoch: int) -> None:
    task = running(db)
    query, arguments = CALLS[call]
    was = everything(db)

    with expect_error("TW201", f"claim {epoch} of run {task['run_id']} is lost: the task is running, its claim epoch 1"):
        run(db, query, *arguments(task | {"claim_epoch": epoch}))

    assert everything(db) == was


@pytest.mark.parametrize("call", CALLS)
def test_a_claim_that_was_swept_can_do_nothing_any_more(db: Database, call: str) -> None:
    first = running(db)
    db.clock.set(at(31))
    second = claim_one(db, worker="w2")
    assert (second["task_id"], second["claim_epoch"]) == (first["task_id"], 2)
    query, arguments = CALLS[call]
    was = everything(db)

    with expect_error("TW201"):
        run(db, query, *arguments(first))

    assert everything(db) == was


@pytest.mark.parametrize("call", CALLS)
def test_a_claim_that_slept_can_do_nothing_until_it_is_claimed_again(db: Database, call: str) -> None:
    task = task_in(db, "sleeping")
    query, arguments = CALLS[call]

    with expect_error("TW201"):
        run(db, query, *arguments(task))


@pytest.mark.parametrize("call", CALLS)
def test_the_claim_of_a_cancelled_task_is_told_that_it_was_cancelled(db: Database, call: str) -> None:
    task = task_in(db, "cancelled")
    query, arguments = CALLS[call]

    with expect_error(*CANCELLED):
        run(db, query, *arguments(task))


@pytest.mark.parametrize("call", CALLS)
def test_an_earlier_claim_of_a_cancelled_task_is_told_that_it_is_lost(db: Database, call: str) -> None:
    """Only the claim that was cancelled is: the earlier one had lost its task before."""
    first = task_in(db, "sleeping")
    db.clock.set(at(61))
    second = claim_one(db)
    assert second["run_id"] == first["run_id"]
    db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, first["task_id"]))
    query, arguments = CALLS[call]

    with expect_error("TW201"):
        run(db, query, *arguments(first))


@pytest.mark.parametrize("call", CALLS)
def test_the_holder_of_the_claim_may_go_on_with_or_without_its_epoch(db: Database, call: str) -> None:
    query, arguments = CALLS[call]
    for epoch in (None, 1):
        task = running(db)

        run(db, query, *arguments(task | {"claim_epoch": epoch}))

        db.conn.execute("select absurd.cancel_task(%s, %s)", (Q, task["task_id"]))


@pytest.mark.parametrize("call", CALLS)
def test_an_expired_lease_that_nobody_swept_is_still_its_holders(db: Database, call: str) -> None:
    task = running(db, cancellation={"max_duration": 20})
    db.clock.set(at(100))
    query, arguments = CALLS[call]

    run(db, query, *arguments(task))


def test_a_completion_sent_again_is_a_success(db: Database) -> None:
    task = running(db)
    complete(db, task, {"x": 1})
    before = log(db, task["task_id"])

    complete(db, task, {"x": 1})
    complete(db, task, {"x": 1}, epoch=task["claim_epoch"])

    assert log(db, task["task_id"]) == before


def test_a_completion_sent_again_with_another_result_is_refused(db: Database) -> None:
    task = running(db)
    complete(db, task, {"x": 1})

    with expect_error("P0001", f'Run "{task["run_id"]}" is not currently running in queue "q"'):
        complete(db, task, {"x": 2})
    with expect_error("TW201"):
        complete(db, task, {"x": 2}, epoch=task["claim_epoch"])


def test_a_completion_by_an_earlier_claim_is_refused_even_with_the_same_result(db: Database) -> None:
    first = task_in(db, "sleeping")
    db.clock.set(at(61))
    second = claim_one(db)
    complete(db, second, {"x": 1}, epoch=second["claim_epoch"])

    with expect_error("TW201"):
        complete(db, first, {"x": 1}, epoch=first["claim_epoch"])


def test_a_failed_run_is_told_so_also_after_its_successor_began(db: Database) -> None:
    task = running(db)
    fail(db, task)
    claim_one(db)

    for call in ("complete_run", "fail_run", "extend_claim", "set_task_checkpoint_state"):
        query, arguments = CALLS[call]
        with expect_error(*(part.format(run_id=task["run_id"]) for part in FAILED)):
            run(db, query, *arguments(task | {"claim_epoch": None}))


def test_a_checkpoint_or_await_needs_the_task_of_its_run(db: Database) -> None:
    mine, other = running(db), running(db)
    for call, words in (("set_task_checkpoint_state", "for checkpoint"), ("await_event", "while awaiting event")):
        query, arguments = CALLS[call]
        with expect_error("P0001", f'Run "{mine["run_id"]}" not found {words}'):
            run(db, query, *arguments(mine | {"task_id": other["task_id"]}))
