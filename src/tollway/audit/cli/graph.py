"""`tollway audit graph`: the paths to a change of state, as a picture."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tollway.audit.cli.inputs import inputs
from tollway.audit.cli.options import ConfigFile, Paths, Python
from tollway.audit.cli.pipeline import analyse, tell_unread
from tollway.audit.config import read_config
from tollway.audit.graph import build
from tollway.audit.graph.draw import as_json, dot, mermaid
from tollway.audit.graph.targets import targets

INCOMPLETE = 3


class Picture(StrEnum):
    """How to draw the graph."""

    mermaid = "mermaid"
    dot = "dot"
    json = "json"


_DRAW = {Picture.mermaid: mermaid, Picture.dot: dot, Picture.json: as_json}


def graph(
    paths: Paths = None,
    to: Annotated[str, typer.Option("--to", help="a state (table.column), a table of states, or a routine; else every state")] = "",
    output: Annotated[Picture, typer.Option("--format", help="how to draw it")] = Picture.mermaid,
    python: Python = None,
    config: ConfigFile = None,
) -> None:
    """Draw who changes a state and by which paths: SQL, triggers, cron and Python. What lacks a required effect is marked.

    Exits 0, 2 when nothing is called as --to says, 3 when something could not be read (it is named on standard error).
    """
    settings = read_config(config)
    analysis = analyse(settings, *inputs(settings, paths, python))
    incomplete = tell_unread(analysis)
    typer.echo(_DRAW[output](build(analysis, targets(analysis, to))))
    if incomplete:
        raise typer.Exit(INCOMPLETE)
