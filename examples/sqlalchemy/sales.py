"""Workflows and SQLAlchemy in one transaction, with plain functions."""

import os

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from tollway import SyncContext, Tollway

URL = os.environ["TOLLWAY_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
sessions = sessionmaker(create_engine(URL))
app = Tollway(queue="sales", connect=sessions)


class Base(DeclarativeBase):
    pass


class Sale(Base):
    __tablename__ = "sales"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    shipped: Mapped[bool] = mapped_column(default=False)


def mark_shipped(session: Session, sale_id: int) -> None:
    session.get_one(Sale, sale_id).shipped = True


@app.workflow(version="1")
def ship(ctx: SyncContext, sale_id: int) -> None:
    ctx.transaction("mark shipped", mark_shipped, sale_id)


def sell(item: str) -> int:
    """The row and the start of its workflow: both, or neither."""
    with sessions.begin() as session:
        sale = Sale(item=item)
        session.add(sale)
        session.flush()
        app.start_sync(ship, sale.id, idempotency_key=f"sale:{sale.id}", conn=session)
        return sale.id
