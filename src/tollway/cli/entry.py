"""The way in: `tollway audit` is handed over before anything of the engine, its driver or its parser of command lines is loaded."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

AUDITOR = "tollway.audit.commands"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["audit"]:  # before our parser takes a `--` that is meant for the auditor's
        sys.exit(audit(given[1:]))
    from tollway.cli.app import main as others

    others(given)


def audit(arguments: Sequence[str]) -> int:
    """Hand the arguments over, `--` and `--help` included. The auditor turns its own errors into exit codes."""
    try:
        commands = importlib.import_module(AUDITOR)
    except ImportError as error:
        return _fail(f"the auditor cannot be loaded: {error.name or error} is not installed\nhint: pip install 'tollway[audit]'")
    try:
        code = commands.main(list(arguments))
    except SystemExit as ended:
        code = ended.code
    if isinstance(code, str):
        return _fail(code)
    return 0 if code is None else int(code)


def _fail(message: str) -> int:
    print(f"tollway: {message}", file=sys.stderr)
    return 1
