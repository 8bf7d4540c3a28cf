"""What the planner's web application does."""

from __future__ import annotations

import psycopg
from psycopg import sql
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from .models import Member, Shift, trail
from .queries import QUERIES

HELP = "To update a shift set its state; delete from the list what you do not need."


class Planner:
    def __init__(self, conn: psycopg.Connection) -> None:
        self.conn = conn

    def start(self, shift_id: str) -> None:
        with self.conn.cursor() as cur:
            cur.execute("select crew.start_shift(%s)", (shift_id,))
            self._trail(cur, shift_id, "start")

    def _trail(self, cur, shift_id: str, action: str) -> None:
        cur.execute("insert into crew.trail (shift_id, action) " "values (%(id)s, %(action)s)", {"id": shift_id, "action": action})

    def finish(self, shift_id: str) -> None:
        query = sql.SQL("update {}.{} set {} = {} where id = {}").format(
            sql.Identifier("crew"), sql.Identifier("shift"), sql.Identifier("state"), sql.Literal("over"), sql.Placeholder("id")
        )
        self.conn.execute(query, {"id": shift_id})

    def skip(self, ids: list[str]) -> None:
        with self.conn.pipeline(), self.conn.cursor() as cur:
            cur.executemany(QUERIES["skip"], [(i,) for i in ids])

    def rename(self, member: int, name: str) -> None:
        fields = ["name = %s", "id = id"]
        self.conn.execute(f"UPDATE crew.member SET {', '.join(fields)} WHERE id = %s", (name, member))

    def purge(self, table: str) -> None:
        self.conn.execute(sql.SQL("delete from {t} where id is null").format(t=sql.Identifier("crew", table)))


def leave(session: Session, member_id: int) -> None:
    session.execute(update(Member).where(Member.id == member_id).values(status="left"))
    session.execute(insert(trail).values(shift_id=None, action="left"))


def hire(session: Session, name: str) -> Member:
    member = Member(name=name)
    session.add(member)
    session.flush()
    return member


def rejoin(session: Session, member_id: int) -> None:
    member = session.get(Member, member_id)
    member.status = "active"


def drop_shifts(session: Session, member_id: int) -> int:
    stmt = delete(Shift).where(Shift.member_id == member_id)
    return session.execute(stmt).rowcount


def over(session: Session) -> None:
    session.query(Shift).filter(Shift.state == "running").update({"state": "over"})


async def bulk(conn, ids) -> None:
    await conn.execute("UPDATE crew.shift SET state = $2 WHERE id = ANY($1)", ids, "planned")
    await conn.fetch(QUERIES["tidy"])


def search(session: Session, state: str):
    statement = text("select * from crew.shift where state = :state for update")
    return session.execute(statement, {"state": state}).all() or session.scalars(select(Shift)).all()
