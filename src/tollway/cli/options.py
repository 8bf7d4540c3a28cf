"""Options that many commands take, said once."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from tollway.workflow.app import DSN_VARIABLE


def seconds(value: float | None) -> float | None:
    """Refuse what is negative, nan or infinite."""
    if value is not None and not 0 <= value < math.inf:
        raise typer.BadParameter(f"{value} is not a number of seconds: it is 0 or more, and finite.")
    return value


Dsn = Annotated[str | None, typer.Option("--dsn", metavar="URL", help=f"The database; default: ${DSN_VARIABLE}.", rich_help_panel="Common")]
Json = Annotated[
    bool,
    typer.Option("--json", help="JSON on standard output, one document a line; messages stay on standard error.", rich_help_panel="Common"),
]
Queue = Annotated[str, typer.Option("--queue", help="The queue.")]
AnyQueue = Annotated[str | None, typer.Option("--queue", help="Only this queue; default: all.")]
TaskId = Annotated[str, typer.Argument(metavar="TASK", help="The task's id, a run's id, or an unambiguous beginning (8 digits or more).")]
Timeout = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", callback=seconds, help="Wait so long at most; 0 or more.")]
