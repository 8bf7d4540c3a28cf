"""`tollway audit ...`: the auditor, which stands alone and has its own command line."""

from __future__ import annotations

from typing import Any

import typer

from tollway.cli import entry

PASS_ON: dict[str, Any] = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def audit(context: typer.Context) -> int:
    """Find every path that changes a state without its side effects, in SQL and Python.

    All further arguments go to the auditor; `tollway audit --help` lists them.
    """
    return entry.audit(list(context.args))
