"""What absurd's users know, in both languages, alone and with our worker on the same queue: either goes on where the other stopped."""

from __future__ import annotations

from datetime import timedelta

from compat.features.conftest import Queue
from compat.features.sides import Ours

MINUTE = timedelta(minutes=1)
IN_A_MINUTE = {"kind": "fixed", "baseSeconds": 60}


def who(side: object) -> str:
    return "tollway" if isinstance(side, Ours) else "foreign"


def test_a_retry_goes_on_from_the_saved_steps(queue: Queue) -> None:
    task = queue.sdk.spawn("shared", {"fall": queue.first.name}, maxAttempts=2, retryStrategy=IN_A_MINUTE)
    queue.first.work()
    assert queue.state(task) == "sleeping"
    queue.db.clock.advance(MINUTE)
    queue.second.work()

    assert queue.sdk.result(task) == {"state": "completed", "result": [queue.first.name, queue.second.name]}
    assert queue.workers(task) == [who(queue.first), who(queue.second)]
    assert queue.events(task) == ["task.spawned", "run.claimed", "run.retried", "run.claimed", "run.completed"]


def test_a_failed_task_is_retried_by_hand(queue: Queue) -> None:
    task = queue.sdk.spawn("shared", {"fall": queue.first.name}, maxAttempts=1)
    queue.first.work()
    assert queue.sdk.result(task)["state"] == queue.state(task) == "failed"
    queue.first.retry(task)
    queue.second.work()

    assert queue.sdk.result(task) == {"state": "completed", "result": [queue.first.name, queue.second.name]}
    assert queue.events(task)[2:] == ["run.failed", "task.retried", "run.claimed", "run.completed"]


def test_a_task_sleeps_and_wakes(queue: Queue) -> None:
    """The SDKs look at their own clock, too, and either side has its own name for the nap: it may sleep once more, never less."""
    task = queue.sdk.spawn("sleeps", {"seconds": 0.2})
    queue.first.work()
    assert queue.state(task) == "sleeping"
    for _ in range(500):
        queue.db.clock.advance(MINUTE)
        queue.second.work()
        if queue.state(task) == "completed":
            break

    assert queue.sdk.result(task) == {"state": "completed", "result": "awake"}
    assert queue.events(task)[:4] == ["task.spawned", "run.claimed", "run.suspended", "run.claimed"]
    assert (queue.workers(task)[0], queue.workers(task)[-1]) == (who(queue.first), who(queue.second))


def test_an_event_wakes_and_the_first_emission_wins(queue: Queue) -> None:
    task = queue.sdk.spawn("waits", {"event": "packed"})
    queue.first.work()
    assert queue.state(task) == "sleeping"
    queue.second.emit("packed", {"n": [1, None]})
    queue.first.emit("packed", "too late")
    queue.second.work()
    late = queue.sdk.spawn("waits", {"event": "packed"})
    queue.first.work()

    assert queue.sdk.result(task) == queue.sdk.result(late) == {"state": "completed", "result": {"payload": {"n": [1, None]}}}
    assert queue.events(task) == ["task.spawned", "run.claimed", "run.suspended", "run.woken", "run.claimed", "run.completed"]
    assert queue.workers(task) == [who(queue.first), who(queue.second)]


def test_a_wait_times_out(queue: Queue) -> None:
    task = queue.sdk.spawn("waits", {"event": "never", "options": {"timeout": 60}})
    queue.first.work()
    assert queue.state(task) == "sleeping"
    queue.db.clock.advance(MINUTE)
    queue.second.work()

    assert queue.sdk.result(task)["result"].keys() == {"timedOut"}
    assert queue.workers(task) == [who(queue.first), who(queue.second)]


def test_what_waits_is_cancelled(queue: Queue) -> None:
    task = queue.sdk.spawn("waits", {"event": "never"})
    queue.first.work()
    queue.second.cancel(task)
    queue.second.emit("never", 1)
    queue.second.work()

    assert queue.sdk.result(task)["state"] == queue.state(task) == "cancelled"
    assert queue.events(task) == ["task.spawned", "run.claimed", "run.suspended", "task.cancelled"]


def test_what_runs_is_cancelled_and_stops(queue: Queue) -> None:
    """The SDK runs it, either side cancels it; its handler ends at its next heartbeat, and says nothing more of the run."""
    task = queue.sdk.spawn("holds", {"seconds": 500})
    queue.sdk.hold(task)
    queue.second.cancel(task) if isinstance(queue.second, Ours) else queue.first.cancel(task)
    queue.sdk.join()

    assert queue.sdk.result(task)["state"] == queue.state(task) == "cancelled"
    assert queue.events(task) == ["task.spawned", "run.claimed", "task.cancelled"]


def test_a_heartbeat_holds_the_lease_against_everybody(queue: Queue) -> None:
    task = queue.sdk.spawn("holds", {"seconds": 500})
    queue.sdk.hold(task)
    queue.db.clock.advance(3 * MINUTE)  # the claim was for one
    others = queue.second if isinstance(queue.second, Ours) else queue.first
    assert others.claim() == 0
    queue.sdk.release()
    queue.sdk.join()

    assert queue.sdk.result(task) == {"state": "completed", "result": "released"}
    assert queue.workers(task) == ["foreign"]


def test_a_lease_that_ran_out_belongs_to_the_next_worker(queue: Queue) -> None:
    task = queue.sdk.spawn("shared", {}, maxAttempts=2)
    assert queue.first.claim() == 1
    queue.db.clock.advance(2 * MINUTE)
    queue.second.work()

    assert queue.sdk.result(task) == {"state": "completed", "result": [queue.second.name] * 2}
    assert queue.events(task) == ["task.spawned", "run.claimed", "run.retried", "run.claimed", "run.completed"]


def test_a_key_makes_a_spawn_repeatable_on_both_sides(queue: Queue) -> None:
    tasks = {side.spawn("shared", {"n": n}, idempotencyKey="k") for n, side in enumerate((queue.first, queue.second, queue.sdk))}
    queue.second.work()

    (task,) = tasks
    assert queue.sdk.result(task) == {"state": "completed", "result": [queue.second.name] * 2}
    assert queue.events(task) == ["task.spawned", "run.claimed", "run.completed"]
