"""`tollway audit baseline`: write down what is known, so that later scans report what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollway.audit import baseline as known
from tollway.audit.cli.inputs import inputs
from tollway.audit.cli.pipeline import analyse, tell_unread
from tollway.audit.config import read_config


def baseline(
    paths: Annotated[list[str] | None, typer.Argument(help="SQL files, folders or globs")] = None,
    python: Annotated[list[str] | None, typer.Option("--python", help="a folder of Python that uses the schema")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML; else tollway-audit.toml or pyproject.toml here")] = None,
    output: Annotated[Path, typer.Option("--output", help="where to write it")] = Path("tollway-audit-baseline.json"),
) -> None:
    """Write the findings of now to a file for `scan --baseline`. What could not be read stays an incomplete analysis.

    Exits 0, or 2 on a wrong configuration.
    """
    settings = read_config(config)
    analysis = analyse(settings, *inputs(settings, paths, python))
    tell_unread(analysis)
    known.write(output, analysis.findings, analysis.config.require if analysis.guessed else ())
    typer.echo(f"wrote {output}: {len(analysis.findings)} findings")
