"""`tollway log tail | drop`: the audit log, live and without a gap; and how its old weeks leave."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

import orjson
import psycopg
import typer

from tollway.cli.database import check_queue, find_task, open_database
from tollway.cli.options import AnyQueue, Dsn, Json
from tollway.cli.output import OK, UsageError, emit, note, say
from tollway.cli.queries.logs import LogReader
from tollway.cli.suggest import did_you_mean
from tollway.client import Client

app = typer.Typer(help="Read the audit log, and drop its old weeks.", no_args_is_help=True)

PERIOD = 0.3
"""Seconds between two looks; longer where a look takes long, so that watching costs little."""
SHARE = 5
MOST_ROWS = 100_000
PATIENCE = 10.0
EVENTS = """select distinct t.event from absurd.transition t
            union select unnest(array['event.emitted', 'queue.dropped', 'log.dropped', 'workflow.removed', 'repaired'])"""


@app.callback()
def group() -> None:
    """Read the audit log, and drop its old weeks."""


@app.command("tail")
def tail(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added, until interrupted.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=MOST_ROWS, help="So many of the newest rows first.")] = 20,
    queue: AnyQueue = None,
    task: Annotated[str | None, typer.Option("--task", metavar="TASK", help="Only this task's rows.")] = None,
    event: Annotated[str | None, typer.Option("--event", help="Only rows of this event, such as run.failed.")] = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Show the newest rows of the audit log, in the order of their transactions.

    A row is shown once every transaction that began before it has ended, so that none is skipped and none comes twice: a
    transaction that is left open holds the rows of later ones back.
    """
    with open_database(dsn) as connection:
        if queue is not None:
            check_queue(connection, queue)
        if event is not None:
            _check_event(event, [row[0] for row in connection.execute(EVENTS).fetchall()])
        reader = LogReader(connection, queue=queue, task=None if task is None else find_task(connection, task), event=event)
        _print(reader.last(lines), as_json)
        if not follow:
            if reader.held_back:
                note(f"note: {reader.held_back} newer rows are not shown yet: an older transaction is still open")
            return OK
        _follow(reader, as_json)
    return OK


@app.command("drop")
def drop(
    older_than: Annotated[str, typer.Option("--older-than", metavar="INTERVAL", help="Keep rows so long: '90 days', '1 year'.")],
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Drop the weeks of the log that ended longer ago. Workers wait while that is done: for a moment.

    It is given up when somebody reads or writes the log for long: run it again.
    """
    with open_database(dsn) as connection:
        try:
            moment = connection.execute("select absurd.current_time() - %s::text::interval", (older_than,)).fetchone()
        except psycopg.DataError as error:
            raise UsageError(f"{older_than!r} is no interval", "for example: --older-than '90 days'.") from error
        assert moment is not None
        gone = Client(connection).drop_log_before(moment[0])
    for partition in gone:
        if as_json:
            emit(asdict(partition))
        else:
            say(f"{partition.partition_name}: {partition.rows_dropped} rows before {partition.to_at:%Y-%m-%d %H:%M %Z} removed")
    if not gone and not as_json:
        say("no week of the log is over for so long")
    return OK


def _follow(reader: LogReader, as_json: bool) -> None:
    """Until interrupted."""
    blocked_since: float | None = None
    while True:
        began = time.monotonic()
        _print(reader.further(), as_json)
        took = time.monotonic() - began
        if not reader.held_back:
            blocked_since = None
        elif blocked_since is None:
            blocked_since = began
        elif began - blocked_since > PATIENCE:
            note(f"note: {reader.held_back} rows are held back by a transaction that is still open")
            blocked_since = began
        time.sleep(max(PERIOD, SHARE * took))


def _check_event(event: str, known: list[str]) -> None:
    if event not in known:
        raise typer.BadParameter(f"no event is named {event!r}. {did_you_mean(event, known)}They are {', '.join(sorted(known))}.")


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    for row in rows:
        if as_json:
            emit(row)
        else:
            say(line_of(row))


def line_of(row: dict[str, Any]) -> str:
    """One row for people: when, what, the move, the task, who and by which path."""
    at = row["at"].isoformat(timespec="milliseconds")
    move = f"{row['from_state'] or 'new'} -> {row['to_state']}" if row["to_state"] else orjson.dumps(row["detail"], default=str).decode()
    subject = row["task_id"] or row["workflow_run_id"] or "-"
    who = f"{row['worker']} epoch {row['claim_epoch']}" if row["worker"] else row["login_role"]
    return f"{at}  {row['event']:<15} {move:<22} {subject}  {row['queue_name'] or '-'}  {who}  via {row['via']}"
