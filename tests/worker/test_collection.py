"""In a process of its own, a worker's full garbage collections do not walk over the code's objects."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tollway.worker import Worker, WorkerOptions
from tollway.workflow import Context, Tollway


@pytest.mark.parametrize("own", [True, False])
def test_what_was_alive_is_frozen_while_a_worker_has_the_process(app: Tollway, own: bool) -> None:
    frozen = []

    @app.workflow
    async def counts(ctx: Context) -> None:
        frozen.append(gc.get_freeze_count() > 0)

    assert gc.get_freeze_count() == 0
    app.start_sync(counts)

    asyncio.run(Worker(app.registry, app.dsn, WorkerOptions(once=True)).run(signals=own))
    app.close()

    assert (frozen, gc.get_freeze_count()) == ([own], 0)


def test_what_the_application_froze_stays_frozen(app: Tollway) -> None:
    gc.freeze()
    try:
        asyncio.run(Worker(app.registry, app.dsn, WorkerOptions(once=True)).run(signals=True))
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
