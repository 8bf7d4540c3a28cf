"""`tollway`: one noun a module, each of which registers its verbs here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tollway import __version__
from tollway.cli import schema, start, task, verify, worker
from tollway.cli.output import guarded

DESCRIPTION = """\
Durable workflows on the Postgres you already run.
Exit codes of every command: 0 done, 1 failed, 2 wrong usage, 3 the database could not be reached."""
NOUNS = (schema, worker, start, task, verify)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(prog="tollway", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    root.add_argument("--version", action="version", version=f"tollway {__version__}")
    nouns = root.add_subparsers(dest="noun", required=True, metavar="COMMAND")
    for noun in NOUNS:
        noun.register(nouns)
    return root


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    parsed = parser().parse_args(arguments)
    sys.exit(guarded(parsed.command, parsed))
