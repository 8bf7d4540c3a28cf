"""What the model test found, each as a test of its own."""

from __future__ import annotations

import pytest

from fixtures.database import Database
from races.schedule import Task as Claimed
from races.schedule import op, statuses, sync
from sql.helpers import Q, Row, at, claim, prepare, run, running, spawn, state


def test_a_sweep_survives_a_parent_and_its_child_whose_leases_ended_together(db: Database) -> None:
    """The parent's failure cancels the child, which the same sweep was about to recover: the queue must not stand still."""
    prepare(db)
    parent = running(db, max_attempts=1)
    child = running(db, parent_task_id=str(parent["task_id"]))
    other = spawn(db)

    db.clock.set(at(60))
    claimed = claim(db, qty=5)

    assert [task["task_id"] for task in claimed] == [other]
    assert (state(db, parent["task_id"]), state(db, child["task_id"])) == ("failed", "cancelled")
    assert not db.verify()


def test_a_parent_that_fails_and_a_child_that_suspends_come_in_one_call(db: Database) -> None:
    """The child's operation is not spoiled by its parent's, nor the whole call."""
    prepare(db)
    for kind, fields in (
        ("sleep", {"seconds": 5}),
        ("put_back", {"seconds": 5}),
        ("release", {}),
        ("fail", {"reason": 1}),
        ("complete", {}),
    ):
        parent = running(db, max_attempts=1)
        child = running(db, parent_task_id=str(parent["task_id"]))

        answer = sync(db, [op("fail", _claimed(parent), reason="why"), op(kind, _claimed(child), **fields)], Q)

        assert statuses(answer) == ["ok", "ok"], kind
        assert (state(db, parent["task_id"]), state(db, child["task_id"])) == ("failed", "completed" if kind == "complete" else "cancelled")
        assert not db.verify()


def test_a_failure_is_answered_as_it_ended_though_the_same_call_claims_the_task_again(db: Database) -> None:
    prepare(db)
    task = _claimed(running(db))

    answer = sync(db, [op("fail", task, reason="why")], Q, claim={"qty": 1, "lease": 30})

    assert answer["ops"] == [{"n": 0, "status": "ok", "state": "pending"}]
    assert [(c["attempt"], c["claim_epoch"]) for c in answer["claims"]] == [(2, 2)]


def test_who_awaits_a_task_that_completes_in_the_same_call_need_not_sleep(db: Database) -> None:
    """What stands alone is recorded before the rest is judged, whichever comes first in the call."""
    prepare(db)
    ends, awaits = _claimed(running(db)), _claimed(running(db))

    answer = sync(db, [op("await_task", awaits, step="s", task=str(ends.task_id)), op("complete", ends, result="x")], Q)

    assert statuses(answer) == ["ok", "ok"]
    assert answer["ops"][0]["outcome"] == "ended"
    assert answer["ops"][0]["payload"] == {"state": "completed", "result": "x", "error": None}
    assert (state(db, awaits.task_id), state(db, ends.task_id)) == ("running", "completed")
    assert not db.verify()


def test_a_step_whose_result_is_null_keeps_it_whatever_it_waits_for_now(db: Database) -> None:
    """An answer once given stays: here a step's own, at a name under which changed code awaits a task."""
    prepare(db)
    other, task = _claimed(running(db)), _claimed(running(db))
    sync(db, [op("complete", other, result="x"), op("checkpoint", task, step="s", state=None)], Q)

    answer = sync(db, [op("await_task", task, step="s", task=str(other.task_id))], Q)

    assert answer["ops"] == [{"n": 0, "status": "already", "outcome": "ended", "payload": None}]


@pytest.mark.parametrize(
    ("kind", "end", "field", "kept"),
    [
        ("complete", "select absurd.complete_run(%s, %s, 'null')", "result", "completed"),
        ("fail", "select absurd.fail_run(%s, %s, 'null', null)", "reason", "failed"),
    ],
)
def test_an_end_whose_value_is_null_is_the_same_end_by_either_way(db: Database, kind: str, end: str, field: str, kept: str) -> None:
    """A run that ended with null through one function and is ended again, so, through the other: its answer may have been lost."""
    prepare(db)
    first, second = running(db, max_attempts=1), running(db, max_attempts=1)
    by_sync = [op(kind, _claimed(task), **{field: None}) for task in (first, second)]

    sync(db, by_sync[:1], Q)
    run(db, end, Q, second["run_id"])
    kinds = run(db, "select distinct jsonb_typeof(coalesce(result, failure_reason)) as kind from absurd.run where state = %s", kept)
    again = sync(db, by_sync[1:], Q)
    if kind == "complete":  # a failure by fail_run is refused when it is said twice
        run(db, end, Q, first["run_id"])

    assert (kinds, statuses(again)) == ([{"kind": "null"}], ["already"])
    assert not db.verify()


def test_to_end_without_a_value_is_to_end_with_null(db: Database) -> None:
    prepare(db)
    first, second, third = running(db), running(db), running(db, max_attempts=1)
    ends = [op("complete", _claimed(first), result=None), op("complete", _claimed(second)), op("fail", _claimed(third))]

    run(db, "select absurd.complete_run(%s, %s)", Q, first["run_id"])
    run(db, "select absurd.fail_run(%s, %s, null, null)", Q, third["run_id"])
    sync(db, ends[1:2], Q)
    run(db, "select absurd.complete_run(%s, %s)", Q, second["run_id"])

    assert statuses(sync(db, ends, Q)) == ["already"] * 3
    assert not db.verify()


def _claimed(task: Row) -> Claimed:
    return Claimed(task["task_id"], task["run_id"], task["claim_epoch"], task["attempt"])
