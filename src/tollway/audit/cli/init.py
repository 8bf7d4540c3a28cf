"""`tollway audit init`: a first configuration, from what the project does already."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tollway.audit.analysis import Analysis, read
from tollway.audit.cli.pipeline import tell_unread
from tollway.audit.config import Config
from tollway.audit.errors import ConfigError
from tollway.audit.rules.candidates import Candidate, candidates

FILE = "tollway-audit.toml"


def init(
    paths: Annotated[list[str] | None, typer.Argument(help="SQL files, folders or globs; the current folder if none")] = None,
    python: Annotated[list[str] | None, typer.Option("--python", help="a folder of Python that uses the schema")] = None,
    output: Annotated[Path, typer.Option("--output", help="where to write the configuration")] = Path(FILE),
    force: Annotated[bool, typer.Option("--force", help="replace the file if it exists")] = False,
) -> None:
    """Write a first tollway-audit.toml: the columns that are states, and the effects that their changes seem to owe.

    Exits 0, or 2 when the file exists or cannot be written.
    """
    if output.exists() and not force:
        raise ConfigError(f"{output} exists", "give --force to replace it, or --output another file")
    given, packages = list(paths or ["."]), list(python or ())
    analysis = read(Config(), given, packages)
    found = candidates(analysis)
    try:
        output.write_text("\n".join(_lines(analysis, found, given, packages)) + "\n", "utf-8")
    except OSError as error:
        raise ConfigError(f"{output}: {error.strerror}", "give --output a file in a folder that can be written") from error
    tell_unread(analysis)
    typer.echo(f"wrote {output}: {len(analysis.states)} states, {sum(c.strong for c in found)} required effects")
    typer.echo("next: read it, correct it, then run: tollway audit scan")


def _lines(analysis: Analysis, found: Sequence[Candidate], paths: Sequence[str], python: Sequence[str]) -> Iterator[str]:
    yield "# Written by `tollway audit init`. Every line is a guess from names, CHECK lists, enums and statements: correct it."
    yield ""
    yield f"paths = {_list(paths)}"
    yield f"python = {_list(python)}" if python else '# python = ["src/app"]              # packages that send SQL to this schema'
    yield ""
    yield "# Columns whose value is a state."
    if analysis.states:
        yield "state = ["
        yield from (f"  {_text(str(s))}," for s in analysis.states)
        yield "]"
    else:
        yield '# No column looks like one. state = ["public.orders.status"]'
    for candidate in found:
        yield ""
        yield from _require(candidate)
    if not found:
        yield ""
        yield "# No table looks like a record of these states. What does a change of state owe?"
        yield "# [[require]]"
        yield '# effect = "audit"'
        yield '# insert = "public.event_log"'


def _require(candidate: Candidate) -> Iterator[str]:
    mark = "" if candidate.strong else "# "
    need = candidate.need
    yield f"# {candidate.done} of {candidate.changes} changes insert into {need.target}" + (
        "; the others will be findings." if candidate.strong else ": too few to be sure; uncomment it if all must."
    )
    yield f"{mark}[[require]]"
    yield f"{mark}effect = {_text(need.effect)}"
    yield f"{mark}insert = {_text(need.target)}"
    yield f"{mark}for = {_list(need.tables)}"
    if need.verbs:
        yield f"{mark}on = {_list(need.verbs)}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"
