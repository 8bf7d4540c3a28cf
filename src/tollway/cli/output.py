"""What commands share: exit codes, errors as one sentence and a hint, JSON for machines and text for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
import psycopg
import typer
from psycopg import errors as pg

from tollway.errors import (
    DatabaseUnreachable,
    EmbeddedUnavailable,
    ForeignSchema,
    InvalidName,
    InvalidOption,
    InvalidPayload,
    InvalidRetryStrategy,
    PayloadTooDeep,
    PayloadTooLarge,
    SchemaMismatch,
    TollwayError,
    UnknownQueue,
    WorkflowNotRegistered,
)

OK, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
INTERRUPTED = 130
EXIT_CODES: Mapping[int, str] = {
    OK: "done",
    FAILED: "failed, refused, or violations were found",
    USAGE: "wrong usage, or something was named that does not exist",
    UNREACHABLE: "the database could not be reached, is read-only, or its schema is not this release's",
}
TRACEBACK_VARIABLE = "TOLLWAY_TRACEBACK"

BAD_INPUT = (
    InvalidName,
    InvalidOption,
    InvalidPayload,
    InvalidRetryStrategy,
    PayloadTooDeep,
    PayloadTooLarge,
    UnknownQueue,
    WorkflowNotRegistered,
)
NO_DATABASE = (DatabaseUnreachable, EmbeddedUnavailable, ForeignSchema, SchemaMismatch)
# The base of every error of the command-line parser, which typer has moved between modules from release to release.
PARSER_ERROR: Any = typer.BadParameter.__mro__[2]


class UsageError(Exception):
    """The command line asks for something that does not exist."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def emit(document: Any) -> None:
    """One JSON document on one line of standard output."""
    sys.stdout.write(orjson.dumps(document, default=str).decode() + "\n")
    sys.stdout.flush()


def say(line: str = "") -> None:
    """One line for people on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """One line beside the answer, on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def complain(line: str) -> None:
    note(f"tollway: {line}")


def columns(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> None:
    """Rows as aligned columns; on a terminal with a ruled heading."""
    shown = list(names)
    heading = [name.replace("_", " ") for name in shown]
    cells = [[_cell(row[name]) for name in shown] for row in rows]
    widths = [max(len(line[i]) for line in [heading, *cells]) for i in range(len(shown))]
    if sys.stdout.isatty():
        _table(heading, cells, sum(widths) + 2 * len(widths))
        return
    for line in [heading, *cells]:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _table(heading: list[str], cells: list[list[str]], needed: int) -> None:
    """For terminals. A narrow one folds whole lines, so that an id can still be copied."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=max(Console().width, needed))
    table = Table(*heading, box=None, header_style="bold", pad_edge=False)
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))  # text, not markup: names are the user's
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if hasattr(value, "isoformat"):
        return str(value.isoformat(timespec="seconds"))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def guarded(command: Callable[[], Any]) -> int:
    """Run a command; an error becomes one sentence, a hint and an exit code, never a traceback."""
    try:
        code = command()
        return code if isinstance(code, int) else OK
    except UsageError as error:
        return _explain(str(error), error.hint, USAGE)
    except PARSER_ERROR as error:
        return _misused(error)
    except TollwayError as error:
        code = UNREACHABLE if isinstance(error, NO_DATABASE) else USAGE if isinstance(error, BAD_INPUT) else FAILED
        return _explain(str(error), error.hint, code)
    except psycopg.Error as error:
        hint, code = _database_error(error)
        return _explain(_first_line(error), error.diag.message_hint or hint, code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has gone
        return OK
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        return _unexpected(error)


def _database_error(error: psycopg.Error) -> tuple[str | None, int]:
    """What to do about an error that has no class of ours, and the exit code."""
    if isinstance(error, pg.InsufficientPrivilege):
        return "connect as a role that has been granted tollway_operator or tollway_reader; to start and emit, tollway_client.", FAILED
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return "this is a standby, or a read-only session: give the address of the primary.", UNREACHABLE
    if isinstance(error, pg.DataError):
        return "a value that was given does not fit.", USAGE
    # 08 and 57P: the connection, or the server, went away; errors of the driver itself have no SQLSTATE
    lost = not error.sqlstate or error.sqlstate.startswith(("08", "57P"))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and lost:
        return "the connection was lost; run the command again.", UNREACHABLE
    return None, FAILED


def _misused(error: Any) -> int:
    """What the parser of the command line refused."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "tollway"
    return _explain(str(error.format_message()).rstrip("."), f"{path} --help lists what it takes.", int(getattr(error, "exit_code", USAGE)))


def _unexpected(error: Exception) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        raise error
    sentence = (str(error).strip() or "no message").splitlines()[0]
    return _explain(f"unexpected {type(error).__name__}: {sentence}", f"set {TRACEBACK_VARIABLE}=1 to see where, and report it.", FAILED)


def _first_line(error: psycopg.Error) -> str:
    return error.diag.message_primary or (str(error).strip() or type(error).__name__).splitlines()[0]


def _explain(message: str, hint: str | None, code: int) -> int:
    complain(message)
    if hint:
        note(f"hint: {hint}")
    return code
