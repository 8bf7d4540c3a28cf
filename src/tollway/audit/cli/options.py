"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[list[str] | None, typer.Argument(help="SQL files, folders, globs, or .py files that hold SQL scripts")]
Python = Annotated[list[str] | None, typer.Option("--python", help="a folder of Python that uses the schema")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML; else tollway-audit.toml or pyproject.toml here")]
