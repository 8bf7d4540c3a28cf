"""Its tests: `pytest test_example.py`. No server has to run, and nothing waits for a day."""

from datetime import timedelta

import pytest
from fulfilment import app, fulfil

from tollway.errors import TaskFailed
from tollway.testing import Env, TestDatabase


def make_tables(db: TestDatabase) -> None:
    db.conn.execute("create table reservation (order_id int)")


@pytest.fixture
def env(tollway_env: Env) -> Env:
    tollway_env.bind(app)
    make_tables(tollway_env.db)
    return tollway_env


def test_an_approved_order_is_fulfilled(env: Env) -> None:
    receipt = env.run(fulfil, 7, events={"approved:7": {"by": "ann"}})

    assert receipt["approved_by"] == "ann"
    assert env.db.rows("select order_id from reservation") == [(7,)]


def test_an_order_that_nobody_approves_fails_after_a_day(env: Env) -> None:
    before = env.db.clock.now()

    with pytest.raises(TaskFailed, match="AwaitTimedOut"):
        env.run(fulfil, 7)
    assert env.db.clock.now() - before >= timedelta(days=1)


def test_step_by_step(env: Env) -> None:
    handle = env.start(fulfil, 7)
    env.work_off()
    assert env.task(handle).state == "sleeping"

    env.emit("approved:7", {"by": "ann"})
    env.work_off()
    env.advance(timedelta(hours=1))
    env.work_off()

    task = env.task(handle)
    assert task.state == "completed"
    assert task.steps["charge"].value == f"payment for 7, key {handle.id}/charge"


def test_a_crash_at_any_moment_harms_nothing(env: Env) -> None:
    report = env.assert_resume_safe(
        fulfil,
        7,
        events={"approved:7": {"by": "ann"}},
        setup=make_tables,
        check=lambda db: db.rows("select order_id from reservation") == [(7,)],
        strict=["reserve"],
    )

    assert report.reruns == {"charge": 2}  # which is why it is given an idempotency key
