"""A FastAPI service whose orders are workflows.

The order's row and the start of its workflow are one transaction of SQLAlchemy: there is never the one without the other.

    tollway schema install && tollway queue create orders
    python -c 'import asyncio, orders; asyncio.run(orders.make_table())'
    uvicorn orders:api & tollway worker orders:app
"""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tollway import Context, Retry, Tollway
from tollway.errors import AwaitTimedOut

URL = os.environ["TOLLWAY_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
engine = create_async_engine(URL)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = Tollway(queue="orders", connect=sessions)
api = FastAPI()


class Base(DeclarativeBase):
    pass


class OrderRow(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20), default="new")
    task_id: Mapped[UUID | None]


async def make_table() -> None:
    """Stands for your migrations."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


class NewOrder(BaseModel):
    item: str
    price: int


# -- the workflow -----------------------------------------------------------------------------------------------


async def charge(order_id: int, price: int, key: str) -> str:
    """Stands for your payment provider, which takes the key and charges once for it."""
    return f"charged {price} for order {order_id} with {key}"


async def set_status(session: AsyncSession, order_id: int, status: str) -> None:
    row = await session.get_one(OrderRow, order_id)
    row.status = status


@app.workflow(version="1")
async def fulfil(ctx: Context, order_id: int, price: int) -> str:
    try:
        approver = await ctx.wait_for_event(f"approved:{order_id}", timeout=timedelta(days=2))
    except AwaitTimedOut:
        await ctx.transaction("expire", set_status, order_id, "expired")
        return "expired"
    patient = ctx.options(retry=Retry(max_attempts=5), timeout=30)
    await patient.step("charge", charge, order_id, price, ctx.idempotency_key("charge"))
    await ctx.transaction("pay", set_status, order_id, "paid")
    return f"approved by {approver}"


# -- the service ------------------------------------------------------------------------------------------------


async def session_of_request() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_of_request)]


@api.post("/orders", status_code=201)
async def create(order: NewOrder, session: Session) -> dict[str, str | int]:
    async with session.begin():
        row = OrderRow(item=order.item)
        session.add(row)
        await session.flush()  # gives the row its id
        handle = await app.start(fulfil, row.id, order.price, idempotency_key=f"order:{row.id}", conn=session)
        row.task_id = handle.id
    return {"id": row.id, "task": str(handle.id)}


@api.post("/orders/{order_id}/approval", status_code=202)
async def approve(order_id: int, by: str, session: Session) -> None:
    async with session.begin():
        if await session.get(OrderRow, order_id) is None:
            raise HTTPException(404)
        await app.emit_event(f"approved:{order_id}", by, conn=session)


@api.get("/orders/{order_id}")
async def show(order_id: int, session: Session) -> dict[str, str]:
    row = await session.get(OrderRow, order_id)
    if row is None or row.task_id is None:
        raise HTTPException(404)
    return {"order": row.status, "workflow": await app.handle(row.task_id).state(conn=session)}
