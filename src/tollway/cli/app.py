"""`tollway`: one noun a module; this one puts them together and turns their ends into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from tollway import __version__
from tollway.cli import audit, dev, event, explain, log, queue, repair, schema, start, task, verify, worker
from tollway.cli.output import EXIT_CODES, guarded, say

DESCRIPTION = "Durable workflows on the Postgres you already run.\n\nExit codes of every command: " + "; ".join(
    f"{code} {meaning}" for code, meaning in EXIT_CODES.items()
)

app = typer.Typer(
    name="tollway",
    help=DESCRIPTION + ".",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("dev")(dev.dev)
app.command("worker")(worker.worker)
app.command("start")(start.start)
app.command("explain")(explain.explain)
app.add_typer(task.app, name="task")
app.add_typer(event.app, name="event")
app.add_typer(log.app, name="log")
app.add_typer(queue.app, name="queue")
app.add_typer(schema.app, name="schema")
app.command("verify")(verify.verify)
app.command("repair")(repair.repair)
app.command("audit", context_settings=audit.PASS_ON, add_help_option=False)(audit.audit)


def _print_version(asked: bool) -> None:
    if asked:
        say(f"tollway {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")] = False,
) -> None:
    """Options before any command."""


root.__doc__ = DESCRIPTION + "."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(app)
    sys.exit(guarded(lambda: command.main(given, prog_name="tollway", standalone_mode=False)))
