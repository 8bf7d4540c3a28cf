"""The workflow of the tutorial's first hour."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tollway import Context, Tollway
from tollway.errors import AwaitTimedOut

app = Tollway()


@dataclass
class Order:
    id: int
    items: list[str]


async def charge(order: Order) -> str:
    print(f"charging order {order.id}")
    return f"payment {order.id}"


async def pack(item: str) -> str:
    print(f"packing {item}")
    await asyncio.sleep(2)  # slow enough for you to kill the worker
    return f"a box of {item}"


async def book(connection: Any, order: Order) -> None:
    await connection.execute("create table if not exists sales (order_id int, items int)")
    await connection.execute("insert into sales values (%s, %s)", (order.id, len(order.items)))


@app.workflow(version="1")
async def pack_item(ctx: Context, item: str) -> str:
    return await ctx.step("pack", pack, item)


@app.workflow(version="1")
async def fulfil(ctx: Context, order: Order) -> dict[str, Any]:
    payment = await ctx.step("charge", charge, order)
    boxes = [await ctx.run_child(pack_item, item, key=item) for item in order.items]
    await ctx.transaction("book", book, order)
    try:
        driver = await ctx.wait_for_event(f"picked up:{order.id}", timeout=86400)
    except AwaitTimedOut:
        driver = "nobody"
    await ctx.sleep(3)
    return {"payment": payment, "boxes": boxes, "driver": driver}
