"""The log as one stream that misses nothing.

`log_id` is given when a row is written, not when its transaction commits, so "after the last log_id I saw" skips the
row of a transaction that began early and committed late. What is safe: the oldest transaction that a snapshot saw
running. Every one below it has ended, so its rows are all visible or never will be. A reader that takes the rows with
watermark <= xid < oldest, and makes that its next watermark, sees each row exactly once.

A snapshot names the running transactions of the whole server, and those of another database write no row of ours. A
backend never changes its database, so one that pg_stat_activity, read after the snapshot, shows elsewhere is left out.
One that it does not show (ended since, or prepared) still counts.

Reading from a floor: there is no index on xid, but a BRIN index on log_id. A transaction that starts after a snapshot
draws log ids above every one that the snapshot sees. So once all transactions of that time have ended (its xmax is at
or below the present oldest), rows that are still to come are above that snapshot's highest log_id.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from tollway.cli.database import one_moment

HORIZON = """
select m.incarnation,
       coalesce((select min(running::text::bigint) from pg_snapshot_xip(pg_current_snapshot()) running
                 where not exists (select from pg_stat_activity a
                                   where a.backend_xid = running::xid
                                     and a.datid <> (select d.oid from pg_database d where d.datname = current_database()))),
                pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax,
       (select max(l.log_id) from absurd.absurd_event_log l where l.log_id > %(floor)s) as newest
from absurd.schema_meta m"""
COLUMNS = """
select l.log_id, l.xid::text::bigint as xid, l.incarnation, l.at, l.queue_name, l.task_id, l.seq, l.workflow_run_id, l.event,
       l.from_state, l.to_state, l.attempt, l.claim_epoch, l.worker, l.login_role, l.via, l.detail
from absurd.absurd_event_log l
where (%(queue)s::text is null or l.queue_name = %(queue)s)
  and (%(task)s::uuid is null or l.task_id = %(task)s)
  and (%(event)s::text is null or l.event = %(event)s)
"""
BETWEEN = (
    COLUMNS
    + """  and l.log_id > %(floor)s and l.incarnation = %(incarnation)s
  and l.xid >= %(low)s::text::xid8 and l.xid < %(high)s::text::xid8
order by l.xid, l.log_id"""
)
# A database that was restored counts its transactions anew: rows of an earlier incarnation are all settled.
LAST = (
    COLUMNS
    + """  and (l.incarnation < %(incarnation)s or l.xid < %(high)s::text::xid8)
order by l.incarnation desc, l.xid desc, l.log_id desc limit %(limit)s"""
)
HELD_BACK = """
select count(*) as rows from absurd.absurd_event_log l
where l.log_id > %(floor)s and l.incarnation = %(incarnation)s and l.xid >= %(high)s::text::xid8"""


@dataclass(slots=True)
class LogReader:
    """Reads the settled part of the log, each row once. Filters: queue, task, event; None means all."""

    connection: psycopg.Connection[Any]
    queue: str | None = None
    task: UUID | None = None
    event: str | None = None
    floor: int = 0
    incarnation: int = -1
    watermark: int = 0
    held_back: int = 0
    """Rows that are committed, but not settled yet: an older transaction is still open."""
    _seen: deque[tuple[int, int]] = field(default_factory=deque)

    def last(self, limit: int) -> list[dict[str, Any]]:
        """The newest settled rows, oldest first; `further` goes on where they end."""
        with one_moment(self.connection) as cursor:
            now = self._horizon(cursor)
            rows = cursor.execute(LAST, {**self._filters(), "high": str(now["oldest"]), "limit": limit}).fetchall() if limit else []
            self._settle(cursor, now)
        return rows[::-1]

    def further(self) -> list[dict[str, Any]]:
        """The rows that settled since the call before, in the order of their transactions."""
        with one_moment(self.connection) as cursor:
            now = self._horizon(cursor)
            between = {**self._filters(), "low": str(self.watermark), "high": str(now["oldest"])}
            rows = cursor.execute(BETWEEN, between).fetchall()
            self._settle(cursor, now)
        return rows

    def _horizon(self, cursor: psycopg.Cursor[dict[str, Any]]) -> dict[str, Any]:
        now = cursor.execute(HORIZON, {"floor": self.floor}).fetchone()
        assert now is not None
        if now["incarnation"] != self.incarnation:
            self.incarnation, self.watermark, self.floor = now["incarnation"], 0, 0
            self._seen.clear()
        return now

    def _settle(self, cursor: psycopg.Cursor[dict[str, Any]], now: dict[str, Any]) -> None:
        self.watermark = now["oldest"]
        held = cursor.execute(HELD_BACK, {**self._filters(), "high": str(now["oldest"])}).fetchone()
        self.held_back = held["rows"] if held else 0
        if now["newest"] is not None:
            self._seen.append((now["xmax"], now["newest"]))
        while self._seen and self._seen[0][0] <= now["oldest"]:
            self.floor = self._seen.popleft()[1]

    def _filters(self) -> dict[str, Any]:
        return {"queue": self.queue, "task": self.task, "event": self.event, "floor": self.floor, "incarnation": self.incarnation}
