"""`tollway worker MODULE[:APP]`: run tasks until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Annotated, Any

import orjson
import typer

from tollway.cli.database import check_may_work, check_queue, check_writable, open_database
from tollway.cli.loading import load_app
from tollway.cli.options import Dsn, seconds
from tollway.cli.output import OK
from tollway.worker import Worker, WorkerOptions

LONGEST_LEASE = 86_400
MOST_AT_ONCE = 10_000

Target = Annotated[str, typer.Argument(metavar="MODULE[:APP]", help="Where the Tollway application is.")]


def worker(
    target: Target,
    queue: Annotated[str | None, typer.Option("--queue", help="Default: the application's queue.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=MOST_AT_ONCE, help="Handlers at once.")] = 20,
    lease: Annotated[int, typer.Option("--lease", metavar="SECONDS", min=1, max=LONGEST_LEASE, help="Renewed every third of it.")] = 30,
    grace: Annotated[float, typer.Option("--grace", metavar="SECONDS", callback=seconds, help="For draining.")] = 30.0,
    name: Annotated[str | None, typer.Option("--name", help="Default: host and process id.")] = None,
    version: Annotated[str | None, typer.Option("--version", help="The release of the code, kept with each run.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End when the queue has nothing due.")] = False,
    dsn: Dsn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Log JSON lines, on standard error.", rich_help_panel="Common")] = False,
) -> int:
    """Run the workflows of an application. SIGTERM or SIGINT drains; a second one releases what still runs.

    A database that cannot be reached at the start, or is a standby, ends it with 3, and a login that may not run tasks with 1;
    afterwards the worker reconnects for as long as it takes.
    """
    _log_to_stderr(json_lines=as_json)
    app = load_app(target)
    options = WorkerOptions(
        queue=queue or app.queue, concurrency=concurrency, lease=lease, grace=grace, name=name, version=version, once=once
    )
    address = dsn or app.dsn
    with open_database(address) as connection:
        check_writable(connection)
        check_may_work(connection)
        check_queue(connection, options.queue)

    async def work() -> None:
        running = Worker(app.registry, address, options)
        await running.run(signals=True)
        if running.running:
            _leave_stuck_handlers(running.running)

    asyncio.run(work())
    return OK


def _leave_stuck_handlers(count: int) -> None:
    """Their tasks are released. The event loop would wait for a coroutine that swallows its cancellation, the interpreter for a thread."""
    logging.getLogger("tollway.worker").warning("%d handlers do not end; left behind, their tasks are released", count)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(OK)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def _log_to_stderr(*, json_lines: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if json_lines else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
