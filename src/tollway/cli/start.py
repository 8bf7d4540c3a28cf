"""`tollway start WORKFLOW [JSON...]`: start a workflow by name, and perhaps watch it to its end."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
import typer
from psycopg import errors as pg

from tollway.cli.database import check_queue, dsn_of, open_database
from tollway.cli.documents import read_document
from tollway.cli.follow import report_end, watch_task
from tollway.cli.loading import load_app
from tollway.cli.options import Dsn, Json, Timeout, seconds
from tollway.cli.output import OK, UsageError, emit, note, say
from tollway.cli.progress import working
from tollway.cli.queries.tasks import recent_names
from tollway.cli.suggest import did_you_mean
from tollway.client import Client
from tollway.workflow.app import MAX_ATTEMPTS, RETRY
from tollway.workflow.names import check_name

MOST_ATTEMPTS = 16_777_215
SMALLINT = 32_767


def start(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its registered name.")],
    params: Annotated[
        list[str] | None,
        typer.Argument(metavar="[JSON...]", help="Its arguments; several need --app, which names them. - reads standard input."),
    ] = None,
    app: Annotated[
        str | None, typer.Option("--app", metavar="MODULE[:APP]", help="Check name and arguments, and take version and retries, from here.")
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="Default: the workflow's with --app, else default.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Idempotency key: the same key gives the same task.")] = None,
    delay: Annotated[float | None, typer.Option("--delay", metavar="SECONDS", callback=seconds, help="Start so much later.")] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", min=-SMALLINT - 1, max=SMALLINT, help="Lower runs first; default 0.")
    ] = None,
    max_attempts: Annotated[
        int | None, typer.Option("--max-attempts", min=1, max=MOST_ATTEMPTS, help=f"Default {MAX_ATTEMPTS}, or the workflow's.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show moves and steps as they happen, then the result.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result and print it.")] = False,
    timeout: Timeout = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Start a workflow by its name and print its task id.

    With --wait or --follow the exit code says how it ended: 0 completed, 1 failed, cancelled, or not ended in time.
    """
    check_name("workflow", workflow)
    if timeout is not None and not (wait or follow):
        raise UsageError("--timeout says how long to wait", "add --wait or --follow.")
    address, target, document, options = _task(workflow, params or [], app, queue, dsn)
    given = {"idempotency_key": _no_empty(key), "delay_seconds": delay, "priority": priority, "max_attempts": max_attempts}
    options |= {name: value for name, value in given.items() if value is not None}
    with open_database(address) as connection:
        check_queue(connection, target)
        if app is None:
            _warn_of_new_name(connection, workflow)
        task = Client(connection).spawn_task(target, workflow, document, options)
        if as_json and not wait:
            emit({"task_id": str(task.task_id), "run_id": str(task.run_id), "created": task.created})
        elif not wait:
            say(str(task.task_id))
        if not task.created:
            note(f"note: key {key!r} is known: this is the task that it started")
        if not (wait or follow):
            return OK
        with working(f"{workflow} {task.task_id}"):
            return report_end(watch_task(connection, target, task.task_id, timeout, as_json=as_json, quiet=not follow), as_json)


def _no_empty(key: str | None) -> str | None:
    """Raises: UsageError, for a variable of the shell that was not set: all starts would be one task."""
    if key == "":
        raise UsageError("--key is empty", "give a text that names this start, or leave it out.")
    return key


def _task(workflow: str, texts: list[str], app: str | None, queue: str | None, dsn: str | None) -> tuple[str, str, Any, dict[str, Any]]:
    """Database, queue, params and options."""
    documents = [read_document(text, "the argument") for text in texts]
    if app is None:
        if len(documents) > 1:
            raise UsageError(f"{len(documents)} arguments cannot be named", "pass one JSON object by their names, or --app MODULE:APP.")
        return dsn_of(dsn), queue or "default", documents[0] if documents else {}, {"max_attempts": MAX_ATTEMPTS, "retry_strategy": RETRY}
    known_app = load_app(app)
    known = known_app.registry.get(workflow)
    # What stands for a parameter is decoded first, so that a wrong type is refused here and not in a worker.
    document = known.encode_arguments(tuple(documents), {})
    known.decode_arguments(document)
    options = {
        "workflow_version": known.version,
        "workflow_hash": known.code_hash,
        "max_attempts": known.max_attempts,
        "retry_strategy": known.retry,
    }
    return dsn or known_app.dsn, queue or known.queue, document, {name: value for name, value in options.items() if value is not None}


def _warn_of_new_name(connection: psycopg.Connection[Any], workflow: str) -> None:
    """A name that no task had lately, and that is near one that had, is perhaps a slip."""
    try:
        known = recent_names(connection)
    except pg.InsufficientPrivilege:
        return  # a client may start tasks without being allowed to list them
    near = "" if workflow in known else did_you_mean(workflow, known)
    if near:
        note(f"note: no recent task is named {workflow!r}; {near}--app MODULE:APP checks names")
