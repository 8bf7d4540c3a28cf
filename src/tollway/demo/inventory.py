"""The workflows: one parent, a child for each package, a step for each file. This is all a user would write."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from tollway.client import Client
from tollway.demo.library import Measures, discover, measure, summed
from tollway.demo.witness import witnessed
from tollway.workflow import SyncContext, Tollway
from tollway.workflow.connect import connect_sync

PARENT, CHILD = "inventory", "measure_package"
DISCOVER, START_CHILDREN = "discover", "start children"
# A worker that dies costs an attempt; its tasks are taken up again at once.
ATTEMPTS = 20
AT_ONCE = {"kind": "none"}

app = Tollway(queue="library")


@app.workflow(name=PARENT, version="1", max_attempts=ATTEMPTS, retry=AT_ONCE)
def inventory(ctx: SyncContext, packages: int | None) -> list[Measures]:
    """Every package's measures, in the order of `discover`. While it waits for its children it holds no worker."""
    found = ctx.step(DISCOVER, witnessed(ctx.task_id, DISCOVER, discover), packages)
    ctx.step(START_CHILDREN, witnessed(ctx.task_id, START_CHILDREN, start_children), ctx.task_id, found)
    return [ctx.wait_for_event(measured(ctx.task_id, package)) for package in found]


@app.workflow(name=CHILD, version="1", max_attempts=ATTEMPTS, retry=AT_ONCE)
def measure_package(ctx: SyncContext, package: str, files: list[str], event: str) -> Measures:
    """One package, a step a file; emits `event` with the sum."""
    measures = summed(package, [ctx.step(path, witnessed(ctx.task_id, path, measure), path) for path in files])
    ctx.emit_event(event, measures)
    return measures


def start_children(parent: UUID, found: Mapping[str, list[str]]) -> dict[str, str]:
    """Start a child for each package, all in one statement; the keys see to it that a replay starts none twice."""
    children = [
        {
            "task_name": CHILD,
            "params": {"package": package, "files": files, "event": measured(parent, package)},
            "options": {
                "parent_task_id": str(parent),
                "idempotency_key": f"{parent}/{package}",
                "max_attempts": ATTEMPTS,
                "retry_strategy": AT_ONCE,
            },
        }
        for package, files in found.items()
    ]
    with connect_sync(app.dsn) as connection:
        spawned = Client(connection).spawn_tasks(app.queue, children)
    return {package: str(child.task_id) for package, child in zip(found, spawned, strict=True)}


def measured(parent: UUID, package: str) -> str:
    """The event with which a child hands its result to its parent."""
    return f"measured:{parent}:{package}"
