"""An application whose handlers end at the same moment, when the test says so; run by `tollway worker` in a process of its own.

All that they have to say then goes in one call, so a test knows what each of the worker's lines carries. The environment says
which folder the test speaks through (`TOLLWAY_FLOW`), and where to write whose step ran (`TOLLWAY_BODIES`).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tollway.workflow import Context, Tollway

WAVE, FREE = "wave", "free"
"""Files: as many handlers as the first says go on together, and it is gone when they do; with the second they all do, and none waits."""

app = Tollway()
_waiting: list[asyncio.Future[None]] = []
_watching: list[asyncio.Task[None]] = []


@app.workflow
async def flows(ctx: Context, n: int) -> int:
    await ctx.step("body", body, n)
    await _wave()
    return n


def body(n: int) -> int:
    with Path(os.environ["TOLLWAY_BODIES"]).open("a") as bodies:
        bodies.write(f"{n}\n")
    return n


async def _wave() -> None:
    if not _watching:
        _watching.append(asyncio.create_task(_watch(Path(os.environ["TOLLWAY_FLOW"]))))
    here: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    _waiting.append(here)
    await here


async def _watch(folder: Path) -> None:
    while True:
        _waiting[:] = [here for here in _waiting if not here.done()]  # a released handler waits no more
        if (folder / FREE).exists():
            go = True
        else:
            asked = (folder / WAVE).read_text() if (folder / WAVE).exists() else ""
            go = asked != "" and len(_waiting) >= int(asked)
            if go:
                (folder / WAVE).unlink()
        if go:
            for here in _waiting:
                here.set_result(None)
        await asyncio.sleep(0.01)
