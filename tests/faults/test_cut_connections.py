"""The worker's connection is cut at each of its requests, in each way: everything still happens, and once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from faults.proxy import AFTER, BEFORE, Cut, Proxy
from tollway import Context, Tollway
from tollway.worker import Worker, WorkerOptions
from worker.harness import DEADLINE, Database, run

PLACES = (BEFORE, AFTER, 1, 5, 60, 200)
FEWEST_REQUESTS = 5
"""That one story takes: fewer, and this test no longer cuts what it means to."""


@contextlib.asynccontextmanager
async def working_behind(proxy: Proxy, app: Tollway, database: str, **options: Any) -> AsyncIterator[Worker]:
    worker = Worker(app.registry, proxy.dsn(database), WorkerOptions(**{"grace": 0.0, **options}))
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.hurry()
        await asyncio.wait_for(task, DEADLINE)


def declare(app: Tollway, bodies: Counter[str]) -> Any:
    @app.workflow(name="grown")
    async def grown(ctx: Context, n: int) -> int:
        return n + 1

    @app.workflow(name="story")
    async def story(ctx: Context, mark: str) -> list[Any]:
        def body(name: str) -> str:
            bodies[f"{mark} {name}"] += 1
            return name

        one = await ctx.step("one", body, "one")
        child = await ctx.start_child(grown, 41)
        await ctx.sleep(0.001)
        two = await ctx.step("two", body, "two")
        await ctx.emit_event(f"said {mark}", two)
        said = await ctx.wait_for_event(f"said {mark}")
        return [one, said, await child.result()]

    return story


async def told(app: Tollway, story: Any, mark: str) -> None:
    handle = await app.start(story, mark)
    assert await handle.result(timeout=DEADLINE) == ["one", "two", 42]


def test_each_request_is_cut_in_each_way(app: Tollway, look: Database, folder: Path) -> None:
    bodies: Counter[str] = Counter()
    story = declare(app, bodies)
    place = conninfo_to_dict(look.dsn)

    async def scenario() -> None:
        async with Proxy(folder, str(place["host"])) as proxy, working_behind(proxy, app, str(place["dbname"])):
            for way in PLACES:
                for number in itertools.count(1):
                    proxy.cut = Cut(proxy.requests + number, way)
                    await told(app, story, f"{way} {number}")
                    if not proxy.cut.made:  # it ended before that many requests
                        break
                assert number > FEWEST_REQUESTS

    run(scenario(), within=170)
    assert look.one("select count(*) from absurd.task where state <> 'completed'") == 0
    assert look.one("select count(*) from absurd.task where task_name = 'grown'") == len({mark.rsplit(" ", 1)[0] for mark in bodies})
    assert set(bodies.values()) == {1}, "a lost connection costs no body a second run: the lease was kept"
    assert look.one("select max(attempt) from absurd.task") == 1
    assert look.violations() == []


def test_a_worker_that_can_never_listen_still_works(app: Tollway, look: Database, folder: Path) -> None:
    story = declare(app, Counter())
    place = conninfo_to_dict(look.dsn)

    async def scenario() -> None:
        async with Proxy(folder, str(place["host"]), deaf_to="listen") as proxy, working_behind(proxy, app, str(place["dbname"])):
            await told(app, story, "deaf")
            assert proxy.refused >= 1

    run(scenario())
    assert look.violations() == []
