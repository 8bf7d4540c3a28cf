"""`tollway audit ...`: the auditor, which stands alone and has its own command line."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import typer

from tollway.cli.output import FAILED, OK, complain, note

MODULE = "tollway.audit.commands"
PASS_ON: dict[str, Any] = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def audit(context: typer.Context) -> int:
    """Find every path that changes a state without its side effects, in SQL and Python.

    All further arguments go to the auditor; `tollway audit --help` lists them.
    """
    return run(list(context.args))


def run(arguments: Sequence[str]) -> int:
    """Hand the arguments over, `--` and `--help` included."""
    try:
        commands = importlib.import_module(MODULE)
    except ImportError as error:
        missing = error.name or str(error)
        complain(f"the auditor cannot be loaded: {missing} is not installed")
        note("hint: pip install 'tollway[audit]'")
        return FAILED
    try:
        code = commands.main(list(arguments))
    except SystemExit as ended:
        code = ended.code
    if isinstance(code, str):
        complain(code)
        return FAILED
    return OK if code is None else int(code)
