"""Tables of the crew planner."""

import enum

from sqlalchemy import Column, Enum, ForeignKey, Integer, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Member(Base):
    __tablename__ = "member"
    __table_args__ = {"schema": "crew"}

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String, default="active")
    name: Mapped[str]


class Shift(Base):
    __tablename__ = "shift"
    __table_args__ = {"schema": "crew"}

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("crew.member.id"))


trail = Table("trail", Base.metadata, Column("id", Integer), Column("shift_id", String), Column("action", String), schema="crew")
