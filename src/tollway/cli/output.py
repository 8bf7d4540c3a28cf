"""What commands share: options, connections, errors as one sentence and a hint, exit codes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson
import psycopg

from tollway.errors import DatabaseUnreachable, TollwayError
from tollway.workflow.app import DSN_VARIABLE
from tollway.workflow.connect import connect_sync

OK, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
CONNECT_ATTEMPTS = 5


class UsageError(Exception):
    """The command line asks for something that does not exist."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def add_common(parser: argparse.ArgumentParser) -> None:
    """`--dsn` and `--json`, which every command takes."""
    parser.add_argument("--dsn", help=f"the database; default: ${DSN_VARIABLE}")
    parser.add_argument("--json", action="store_true", help="print JSON, one document a line")


def dsn_of(arguments: argparse.Namespace) -> str:
    dsn: str | None = arguments.dsn or os.environ.get(DSN_VARIABLE)
    if not dsn:
        raise UsageError("no database was given", f"set {DSN_VARIABLE} or pass --dsn.")
    return dsn


def connect(dsn: str) -> psycopg.Connection[Any]:
    """Connect, trying again for about three seconds with a line for each failure. Raises: DatabaseUnreachable."""
    delay = 0.2
    for attempt in range(1, CONNECT_ATTEMPTS + 1):
        try:
            return connect_sync(dsn)
        except DatabaseUnreachable as error:
            if attempt == CONNECT_ATTEMPTS:
                raise
            complain(f"{error}; attempt {attempt} of {CONNECT_ATTEMPTS}")
            time.sleep(delay)
            delay *= 2
    raise AssertionError("unreachable")


def emit(document: Any) -> None:
    """One JSON document on one line of standard output."""
    sys.stdout.write(orjson.dumps(document, default=str).decode() + "\n")


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")


def complain(line: str) -> None:
    sys.stderr.write(f"tollway: {line}\n")


def guarded(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command; an error becomes one sentence, a hint and an exit code, never a traceback."""
    try:
        return command(arguments)
    except UsageError as error:
        return _explain(str(error), error.hint, USAGE)
    except DatabaseUnreachable as error:
        return _explain(str(error), error.hint, UNREACHABLE)
    except TollwayError as error:
        return _explain(str(error), error.hint, FAILED)
    except psycopg.OperationalError as error:
        return _explain(_first_line(error), "the connection was lost; run the command again.", UNREACHABLE)
    except psycopg.Error as error:
        return _explain(_first_line(error), error.diag.message_hint, FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has gone
        return OK
    except KeyboardInterrupt:
        return 130


def _first_line(error: psycopg.Error) -> str:
    return error.diag.message_primary or (str(error).strip() or type(error).__name__).splitlines()[0]


def _explain(message: str, hint: str | None, code: int) -> int:
    complain(message)
    if hint:
        sys.stderr.write(f"hint: {hint}\n")
    return code
