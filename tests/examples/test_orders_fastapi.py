"""The service over HTTP (ASGI), with the worker that a user would start beside it, on a real clock."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "orders_fastapi"
PATIENCE = 30.0


@pytest.fixture
def orders(example: Callable[[str, str], Any], tollway_db: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLWAY_DATABASE_URL", tollway_db.dsn)
    tollway_db.conn.execute("select absurd.create_queue('orders')")
    return example("orders_fastapi", "orders")


@pytest.fixture
def worker(orders: Any, tollway_db: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tollway", "worker", "orders:app"]
    process = subprocess.Popen(command, cwd=FOLDER, env={**os.environ, "TOLLWAY_DATABASE_URL": tollway_db.dsn})
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)


@asynccontextmanager
async def service(orders: Any) -> AsyncIterator[httpx.AsyncClient]:
    await orders.make_table()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=orders.api), base_url="http://shop") as client:
        yield client
    await orders.engine.dispose()


async def until(client: httpx.AsyncClient, path: str, wanted: dict[str, str]) -> None:
    ends = time.monotonic() + PATIENCE
    while (seen := (await client.get(path)).json()) != wanted:
        assert time.monotonic() < ends, f"{path} is {seen}, not {wanted}"
        await asyncio.sleep(0.05)


def test_an_order_waits_for_its_approval_and_is_paid(orders: Any, worker: Any, tollway_db: Any) -> None:
    async def scene() -> None:
        async with service(orders) as client:
            made = await client.post("/orders", json={"item": "tea", "price": 5})
            assert made.status_code == 201
            path = f"/orders/{made.json()['id']}"
            await until(client, path, {"order": "new", "workflow": "sleeping"})

            assert (await client.post(f"{path}/approval", params={"by": "ada"})).status_code == 202
            await until(client, path, {"order": "paid", "workflow": "completed"})

    asyncio.run(scene())
    assert tollway_db.one("select result from absurd.workflow_run") == "approved by ada"
    assert tollway_db.verify() == []


def test_a_request_that_is_rolled_back_starts_nothing(orders: Any, tollway_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start = orders.app.start

    async def breaks(*args: Any, **options: Any) -> None:
        await start(*args, **options)
        raise RuntimeError("after the start, before the commit")

    monkeypatch.setattr(orders.app, "start", breaks)

    async def scene() -> None:
        async with service(orders) as client:
            with pytest.raises(RuntimeError, match="before the commit"):
                await client.post("/orders", json={"item": "tea", "price": 5})

    asyncio.run(scene())
    assert tollway_db.one("select count(*) from orders") == 0
    assert tollway_db.one("select count(*) from absurd.task") == 0


def test_what_does_not_exist_is_not_found(orders: Any) -> None:
    async def scene() -> None:
        async with service(orders) as client:
            assert (await client.get("/orders/7")).status_code == 404
            assert (await client.post("/orders/7/approval", params={"by": "ada"})).status_code == 404

    asyncio.run(scene())
