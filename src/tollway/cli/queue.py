"""`tollway queue list | create | stats | show | set | cleanup | forget | drop`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import psycopg
import typer

from tollway.cli.database import check_queue, open_database
from tollway.cli.options import Dsn, Json
from tollway.cli.output import OK, UsageError, columns, emit, say
from tollway.cli.progress import working
from tollway.cli.queries.queues import queue_policy, queue_stats, queues_with_history
from tollway.client import Client
from tollway.errors import WrongState

MOST_SECONDS = 2_147_483_647
MOST_ROWS = 2_147_483_647
PAYLOAD = (1024, 268_435_456)

app = typer.Typer(help="Make, look at, set up, clean up and drop queues.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]


@app.command("list")
def list_(dsn: Dsn = None, as_json: Json = False) -> int:
    """List the queues' names."""
    with open_database(dsn) as connection:
        names = Client(connection).list_queues()
    for name in names:
        if as_json:
            emit({"queue": name})
        else:
            say(name)
    if not names and not as_json:
        say("no queues; make one: tollway queue create default")
    return OK


@app.command("create")
def create(name: Name, dsn: Dsn = None, as_json: Json = False) -> int:
    """Make a queue; one that exists is left as it is."""
    with open_database(dsn) as connection:
        client = Client(connection)
        existed = name in client.list_queues()
        client.create_queue(name)
    if as_json:
        emit({"queue": name, "created": not existed})
    else:
        say(f"queue {name} {'was there already' if existed else 'is made'}")
    return OK


@app.command("stats")
def stats(
    name: Annotated[str | None, typer.Argument(metavar="[QUEUE]", help="Only this one; default: all.")] = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Count the tasks of each queue by state. `due`: could start now, and `oldest due seconds` is how long one has waited."""
    with open_database(dsn) as connection, working("counting"):
        if name is not None:
            check_queue(connection, name)
        rows = queue_stats(connection, name)
    if as_json:
        for row in rows:
            emit(row)
    elif rows:
        columns([{**row, "oldest_due_seconds": _rounded(row["oldest_due_seconds"])} for row in rows], list(rows[0]))
    else:
        say("no queues")
    return OK


@app.command("show")
def show(name: Name, dsn: Dsn = None, as_json: Json = False) -> int:
    """Show what `queue set` sets: how long ended tasks are kept, how many go in one batch, how large a document may be."""
    with open_database(dsn) as connection:
        check_queue(connection, name)
        _print_policy(queue_policy(connection, name), as_json)
    return OK


@app.command("set")
def set_(
    name: Name,
    cleanup_ttl: Annotated[
        str | None, typer.Option("--cleanup-ttl", metavar="INTERVAL", help="Keep ended tasks, and events, so long: '7 days', '12 hours'.")
    ] = None,
    cleanup_limit: Annotated[
        int | None, typer.Option("--cleanup-limit", min=1, max=MOST_ROWS, help="So many tasks at most go in one batch of clean-up.")
    ] = None,
    max_payload_bytes: Annotated[
        int | None, typer.Option("--max-payload-bytes", min=PAYLOAD[0], max=PAYLOAD[1], help="The largest JSON document.")
    ] = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Change some of a queue's policy, and show all of it."""
    given = {"cleanup_ttl": cleanup_ttl, "cleanup_limit": cleanup_limit, "max_payload_bytes": max_payload_bytes}
    policy = {key: value for key, value in given.items() if value is not None}
    if not policy:
        raise UsageError("nothing is to be set", "name one of --cleanup-ttl, --cleanup-limit, --max-payload-bytes.")
    with open_database(dsn) as connection:
        check_queue(connection, name)
        try:
            Client(connection).set_queue_policy(name, policy)
        except WrongState as error:  # the queue is there: it is a value that is refused
            raise UsageError(str(error), error.hint or "see --help.") from error
        _print_policy(queue_policy(connection, name), as_json)
    return OK


@app.command("cleanup")
def cleanup(
    name: Annotated[str | None, typer.Argument(metavar="[QUEUE]", help="Only this one; default: all.")] = None,
    older_than: Annotated[
        int | None,
        typer.Option("--older-than", metavar="SECONDS", min=0, max=MOST_SECONDS, help="Instead of each queue's own cleanup_ttl."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One batch for each queue; default: until nothing is left to do.")] = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Remove tasks that ended, and events that were emitted, longer ago than the queue keeps them. Their log stays.

    It goes in batches, each a transaction, and skips what others hold locked: it may run beside workers.
    """
    with open_database(dsn) as connection, working("cleaning up"):
        if name is not None:
            check_queue(connection, name)
        names = [name] if name is not None else Client(connection).list_queues()
        removed = [{"queue": one, **_clean(connection, one, older_than, once)} for one in names]
    for row in removed:
        if as_json:
            emit(row)
        else:
            say(f"queue {row['queue']}: {row['tasks']} tasks and {row['events']} events removed")
    if not removed and not as_json:
        say("no queues")
    return OK


@app.command("forget")
def forget(
    name: Annotated[str | None, typer.Argument(metavar="[QUEUE]", help="Only this one's; default: all, also of dropped queues.")] = None,
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="INTERVAL", help="Keep it so long after the purge: '90 days', '1 year'.")
    ],
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Remove the history of tasks that clean-up purged: their workflow_run, with inputs, result and error. Their log stays.

    It goes in batches, each a transaction, and skips what others hold locked. Nothing else removes history.
    """
    with open_database(dsn) as connection, working("forgetting"):
        age = _seconds(connection, older_than)
        names = queues_with_history(connection)
        if name is not None:
            if name not in names:
                check_queue(connection, name)
            names = [name]
        removed = [{"queue": one, "workflow_runs": _forget(connection, one, age)} for one in names]
    for row in removed:
        if as_json:
            emit(row)
        else:
            say(f"queue {row['queue']}: {row['workflow_runs']} workflow_runs removed")
    if not removed and not as_json:
        say("no task was purged whose workflow_run is still there")
    return OK


@app.command("drop")
def drop(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Purge a queue with all its tasks and events, running ones too. Their log and workflow_run rows stay."""
    with open_database(dsn) as connection:
        check_queue(connection, name)
        (row,) = queue_stats(connection, name)
        tasks = sum(int(row[state]) for state in ("pending", "running", "sleeping", "completed", "failed", "cancelled"))
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(f"dropping queue {name} purges {tasks} tasks", "if that is what you want, repeat with --yes.")
            typer.confirm(f"Purge queue {name} with its {tasks} tasks?", abort=True, err=True)
        Client(connection).drop_queue(name)
    if as_json:
        emit({"queue": name, "dropped": True, "tasks": tasks})
    else:
        say(f"queue {name} is dropped, with {tasks} tasks")
    return OK


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _clean(connection: psycopg.Connection[Any], queue: str, older_than: int | None, once: bool) -> dict[str, int]:
    """Batches of one queue, until one removes nothing."""
    client = Client(connection)
    policy = queue_policy(connection, queue)
    age = older_than if older_than is not None else min(int(policy["cleanup_ttl_seconds"]), MOST_SECONDS)
    removed = {"tasks": 0, "events": 0}
    while True:
        tasks = client.cleanup_tasks(queue, age, policy["cleanup_limit"])
        events = client.cleanup_events(queue, age, policy["cleanup_limit"])
        removed = {"tasks": removed["tasks"] + tasks, "events": removed["events"] + events}
        if once or tasks + events == 0:
            return removed


def _seconds(connection: psycopg.Connection[Any], interval: str) -> int:
    """An interval of PostgreSQL's, back from now, in whole seconds. Raises: UsageError."""
    try:
        row = connection.execute(
            "select floor(extract(epoch from t.now - (t.now - %s::text::interval)))::bigint from (select absurd.current_time()) t(now)",
            (interval,),
        ).fetchone()
    except psycopg.DataError as error:
        raise UsageError(f"{interval!r} is no interval", "for example: --older-than '1 year'.") from error
    assert row is not None
    if not 0 <= row[0] <= MOST_SECONDS:
        raise UsageError(f"{interval!r} is not between 0 and 68 years", "for example: --older-than '1 year'.")
    return int(row[0])


def _forget(connection: psycopg.Connection[Any], queue: str, age: int) -> int:
    """Batches of one queue's history, until one removes nothing."""
    client, removed = Client(connection), 0
    while batch := client.cleanup_workflow_runs(queue, age):
        removed += batch
    return removed


def _print_policy(policy: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(policy)
        return
    for key in ("queue", "cleanup_ttl", "cleanup_limit", "max_payload_bytes"):
        say(f"{key:<18} {policy[key]}")
