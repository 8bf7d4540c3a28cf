"""`tollway worker MODULE[:app]`: run tasks until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import threading
from typing import Any

import orjson

from tollway.cli.loading import load_app
from tollway.cli.output import OK, add_common, connect
from tollway.worker import Worker, WorkerOptions
from tollway.workflow import Tollway

DESCRIPTION = """\
Run the workflows of an application. SIGTERM or SIGINT drains; a second one releases what still runs.
Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage, 3 the database could not be reached at start (afterwards
the worker reconnects for as long as it takes)."""


def register(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = nouns.add_parser(
        "worker",
        help="run tasks",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("app", metavar="MODULE[:app]", help="where the Tollway application is")
    parser.add_argument("--queue", help="default: the application's queue")
    parser.add_argument("--concurrency", type=int, default=20, help="handlers at once; default 20")
    parser.add_argument("--lease", type=int, default=30, metavar="SECONDS", help="renewed every third; default 30")
    parser.add_argument("--grace", type=float, default=30.0, metavar="SECONDS", help="for draining; default 30")
    parser.add_argument("--name", help="default: host and process id")
    parser.add_argument("--version", help="the release of the code, kept with each run")
    parser.add_argument("--once", action="store_true", help="end when the queue has nothing due")
    add_common(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    _log_to_stderr(json_lines=arguments.json)
    app = load_app(arguments.app)
    dsn = arguments.dsn or app.dsn
    options = WorkerOptions(
        queue=arguments.queue or app.queue,
        concurrency=arguments.concurrency,
        lease=arguments.lease,
        grace=arguments.grace,
        name=arguments.name,
        version=arguments.version,
        once=arguments.once,
    )
    connect(dsn).close()
    asyncio.run(_work(app, dsn, options))
    _leave_stuck_threads()
    return OK


async def _work(app: Tollway, dsn: str, options: WorkerOptions) -> None:
    await Worker(app.registry, dsn, options).run(signals=True)


def _leave_stuck_threads() -> None:
    """A sync handler that is still in a step has had its task released; the interpreter would wait for its thread."""
    if any(thread.name.startswith("tollway-sync") for thread in threading.enumerate()):
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
