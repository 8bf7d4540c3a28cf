"""The TypeScript SDK and our own worker share a queue: either goes on where the other stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fixtures.database import Database
from tollway.worker import Worker, WorkerOptions
from tollway.workflow import Tollway

TASKS = 24


@pytest.fixture
def app(db: Database) -> Tollway:
    """The handler that the driver has, too, in Python."""
    app = Tollway(db.dsn)

    @app.workflow(name="shared")
    async def shared(ctx: Any, params: dict[str, str]) -> list[str]:
        first = await ctx.step("first", lambda: "python")
        if params.get("fall") == "python":
            raise RuntimeError("the first half is done")
        return [first, await ctx.step("second", lambda: "python")]

    return app


def work_off(app: Tollway) -> None:
    asyncio.run(asyncio.wait_for(Worker(app.registry, app.dsn, WorkerOptions(once=True, concurrency=2)).run(), 60))


def test_what_one_language_saved_the_other_goes_on_from(db: Database, app: Tollway, driver: Any) -> None:
    from_node = driver.spawn("shared", {"fall": "node"}, {"retryStrategy": {"kind": "none"}})
    driver.workBatch("node", 60, 1)
    work_off(app)
    assert driver.fetchTaskResult(from_node["taskID"]) == {"state": "completed", "result": ["node", "python"]}

    from_python = driver.spawn("shared", {"fall": "python"}, {"maxAttempts": 2, "retryStrategy": {"kind": "fixed", "baseSeconds": 60}})
    db.clock.freeze()
    work_off(app)
    db.clock.advance(db.one("select available_at - absurd.current_time() from absurd.task where state = 'sleeping'"))
    driver.workBatch("node", 60, 1)
    assert driver.fetchTaskResult(from_python["taskID"]) == {"state": "completed", "result": ["python", "node"]}

    assert db.verify() == []


def test_both_work_on_one_queue_and_every_record_is_true(db: Database, app: Tollway, driver: Any) -> None:
    tasks = [driver.spawn("shared", {}, {"idempotencyKey": str(n)}) for n in range(TASKS)]
    driver.workBatch("node", 60, 1)
    driver.startWorker({"concurrency": 2, "workerId": "node"})
    work_off(app)
    ended = [driver.result(task) for task in tasks]

    assert {one["state"] for one in ended} == {"completed"}
    assert {tuple(one["result"]) for one in ended} <= {("node", "node"), ("python", "python")}
    log = db.rows(
        """select array_agg(event order by log_id), array_agg(distinct worker = 'node') filter (where worker is not null)
           from absurd.absurd_event_log where task_id is not null group by task_id"""
    )
    assert [events for events, _ in log] == [["task.spawned", "run.claimed", "run.completed"]] * TASKS
    by_node = sum(True in workers for _, workers in log)
    assert by_node == [one["result"][0] for one in ended].count("node") > 0
    assert db.rows("select status, count(*) from absurd.workflow_run group by status") == [("completed", TASKS)]
    assert driver.seen()["errors"] == []
    assert db.verify() == []
