"""A job for each night, with plain functions: `def` instead of `async def`, no `await`, its own threads.

Each night is a workflow of its own. The first thing it does is to put the next night into the queue.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tollway import Retry, SyncContext, Tollway

app = Tollway(queue="nightly")
AT = time(2, 0, tzinfo=UTC)


def begin(night: date) -> datetime:
    return datetime.combine(night, AT)


def plan(connection: Any, night: date) -> None:
    """In the transaction of the step: the next night is queued exactly once, whatever happens to this worker."""
    app.start_sync(import_night, night, idempotency_key=f"import:{night}", start_at=begin(night), conn=connection)


def download(night: date) -> list[str]:
    """Stands for a supplier's file; its content is recorded, so a later attempt loads the same lines."""
    return [f"{night} article {n}" for n in range(3)]


def load(connection: Any, night: date, lines: list[str]) -> int:
    connection.execute("create table if not exists imported (night date, line text)")
    for line in lines:
        connection.execute("insert into imported values (%s, %s)", (night, line))
    return len(lines)


@app.workflow(version="1", max_attempts=10)
def import_night(ctx: SyncContext, night: date) -> int:
    ctx.transaction("plan the next", plan, night + timedelta(days=1))
    lines = ctx.options(retry=Retry(max_attempts=5, first=60, most=900)).step("download", download, night)
    ctx.sleep(timedelta(minutes=5), name="let the others finish")
    return ctx.transaction("load", load, night, lines)


def first_night(night: date) -> None:
    """Call it once, when you deploy; again does no harm."""
    app.start_sync(import_night, night, idempotency_key=f"import:{night}", start_at=begin(night))
