"""A queue's policy, and its clean-up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def _ended(db: Any, count: int, queue: str = "default") -> None:
    for _ in range(count):
        task = db.one("select task_id from absurd.spawn_task(%s, 'pay', '{}')", queue)
        db.rows("select absurd.cancel_task(%s, %s)", queue, task)


def test_a_policy_is_shown_and_set(tollway: Any, db: Any) -> None:
    assert tollway("queue", "show", "default").out.splitlines() == [
        "queue              default",
        "cleanup_ttl        30 days",
        "cleanup_limit      1000",
        "max_payload_bytes  1048576",
    ]

    (after,) = tollway(
        *("queue", "set", "default", "--cleanup-ttl", "36 hours", "--cleanup-limit", "7", "--max-payload-bytes", "2048", "--json")
    ).documents

    assert after == {
        "queue": "default",
        "cleanup_ttl": "36:00:00",
        "cleanup_ttl_seconds": 129_600,
        "cleanup_limit": 7,
        "max_payload_bytes": 2048,
    }
    tollway("queue", "set", "default", "--cleanup-limit", "8")
    assert db.rows("select cleanup_ttl, cleanup_limit, max_payload_bytes from absurd.queues") == [(timedelta(hours=36), 8, 2048)]
    assert "2048" in tollway("start", "x", '"' + "y" * 3000 + '"').err


def test_a_clean_up_goes_on_until_nothing_is_left_that_is_old_enough(tollway: Any, db: Any) -> None:
    db.clock.freeze()
    tollway("queue", "set", "default", "--cleanup-ttl", "1 hour", "--cleanup-limit", "2")
    _ended(db, 5)
    db.rows("select absurd.emit_event('default', 'said')")
    db.clock.advance(timedelta(hours=2))
    _ended(db, 1)

    (first,) = tollway("queue", "cleanup", "default", "--once", "--json").documents
    (rest,) = tollway("queue", "cleanup", "--json").documents

    assert first == {"queue": "default", "tasks": 2, "events": 1}
    assert rest == {"queue": "default", "tasks": 3, "events": 0}
    assert db.one("select count(*) from absurd.task") == 1
    assert db.one("select count(*) from absurd.absurd_event_log where event = 'task.purged'") == 5


def test_a_clean_up_by_age_leaves_other_queues_and_unfinished_tasks(tollway: Any, db: Any) -> None:
    db.clock.freeze()
    db.rows("select absurd.create_queue('mail')")
    _ended(db, 2)
    _ended(db, 1, "mail")
    db.one("select task_id from absurd.spawn_task('default', 'pay', '{}')")
    db.clock.advance(timedelta(seconds=11))

    assert tollway("queue", "cleanup", "default", "--older-than", "12").out == "queue default: 0 tasks and 0 events removed\n"
    assert tollway("queue", "cleanup", "default", "--older-than", "10").out == "queue default: 2 tasks and 0 events removed\n"
    assert db.rows("select queue_name, state from absurd.task order by 1") == [("default", "pending"), ("mail", "cancelled")]
    assert tollway("queue", "cleanup", "--older-than", "10").out.splitlines()[1] == "queue mail: 1 tasks and 0 events removed"


def _purged(db: Any, count: int, queue: str = "default") -> None:
    """Tasks that are gone, and the history they left; a second passes."""
    _ended(db, count, queue)
    db.clock.advance(timedelta(milliseconds=1))
    assert db.one("select absurd.cleanup_tasks(%s, 0, null)", queue) == count
    db.clock.advance(timedelta(seconds=1))


def test_history_is_forgotten_batch_by_batch_until_none_is_left_that_is_old_enough(tollway: Any, db: Any) -> None:
    db.clock.freeze()
    _purged(db, 1001)
    db.clock.advance(timedelta(days=366))
    _purged(db, 1)

    young = tollway("queue", "forget", "default", "--older-than", "2 years")
    old = tollway("queue", "forget", "default", "--older-than", "1 year", "--json").documents

    assert young.out == "queue default: 0 workflow_runs removed\n"
    assert old == [{"queue": "default", "workflow_runs": 1001}]
    assert db.one("select count(*) from absurd.workflow_run") == 1
    last = tollway("log", "tail", "--lines", "1", "--event", "workflow.removed").out
    assert str(db.one("select max(workflow_run_id::text) from absurd.absurd_event_log where event = 'workflow.removed'")) in last
    assert "via cleanup_workflow_runs" in last
    assert db.verify() == []


def test_history_is_forgotten_of_all_queues_and_of_dropped_ones(tollway: Any, db: Any) -> None:
    db.clock.freeze()
    assert "no task was purged" in tollway("queue", "forget", "--older-than", "1 day").out
    for queue in ("gone", "kept"):
        db.rows("select absurd.create_queue(%s)", queue)
        _purged(db, 2, queue)
    db.rows("select absurd.drop_queue('gone')")
    _purged(db, 1)
    db.clock.advance(timedelta(days=2))

    assert tollway("queue", "forget", "gone", "--older-than", "1 day").out == "queue gone: 2 workflow_runs removed\n"
    assert tollway("queue", "forget", "--older-than", "1 day").out.splitlines() == [
        "queue default: 1 workflow_runs removed",
        "queue kept: 2 workflow_runs removed",
    ]
    unknown = tollway("queue", "forget", "kpet", "--older-than", "1 day")
    assert (unknown.code, "did you mean 'kept'?" in unknown.err) == (2, True)
    assert tollway("queue", "forget", "gone", "--older-than", "1 day").code == 2


def test_an_age_that_is_none_is_refused(tollway: Any) -> None:
    for age, said in (("a while", "'a while' is no interval"), ("-1 day", "not between 0"), ("70 years", "not between 0"),
                      ("9999999 years", "is no interval")):  # fmt: skip
        refused = tollway("queue", "forget", "--older-than", age)
        assert (refused.code, said in refused.err) == (2, True), refused
    assert tollway("queue", "forget").code == 2
