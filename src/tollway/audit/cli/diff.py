"""`tollway audit diff`: what is new, gone or worse since a revision."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import chdir
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tollway.audit.analysis import Analysis, read
from tollway.audit.cli.inputs import inputs
from tollway.audit.cli.options import ConfigFile, Paths, Python
from tollway.audit.cli.pipeline import judge
from tollway.audit.compare import Revision, differences, revision
from tollway.audit.compare.revision import relative
from tollway.audit.compare.show import as_json, text
from tollway.audit.config import Config, Requirement, read_config
from tollway.audit.errors import ConfigError
from tollway.audit.rules.candidates import strong

CLEAN, FINDINGS, INCOMPLETE = 0, 1, 3


class Shown(StrEnum):
    """How to print the differences."""

    text = "text"
    json = "json"


def diff(
    rev: Annotated[str, typer.Argument(metavar="REV", help="a commit, a branch or a tag")],
    paths: Paths = None,
    output: Annotated[Shown, typer.Option("--format", help="how to print it")] = Shown.text,
    python: Python = None,
    config: ConfigFile = None,
) -> None:
    """Compare the files as they are now with a git revision: which findings, writes and verdicts are new, gone or worse.

    Both are judged by the configuration of now. The checkout is not touched. Exits 0 without new findings, 1 with some,
    2 on a wrong configuration, revision or path, 3 when something cannot be read now that could be read before.
    """
    settings = read_config(config)
    given, packages = inputs(settings, paths, python)
    named = {relative(p) for p in (*(paths or ()), *(python or ()))}
    with revision(rev) as old:
        given, packages = [relative(p) for p in given], [relative(p) for p in packages]
        _must_be_there([*given, *packages], named, old)
        with chdir(old.here):
            before = read(settings, _there(given), _there(packages))
        after = read(settings, _there(given), _there(packages))
        inferred = _inferred(settings, before, after)
        with chdir(old.here):
            judge(before, inferred)
        judge(after, inferred)
        found = differences(before, after)
        typer.echo({Shown.text: text, Shown.json: as_json}[output](found, rev))
    if found.unread:
        raise typer.Exit(INCOMPLETE)
    raise typer.Exit(FINDINGS if found.new else CLEAN)


def _inferred(settings: Config, *both: Analysis) -> tuple[Requirement, ...]:
    """Both are judged by the same requirements: an effect that one of them lets us infer is required of the other."""
    return () if settings.require else tuple(dict.fromkeys(need for analysis in both for need in strong(analysis)))


def _must_be_there(given: Sequence[str], named: set[str], old: Revision) -> None:
    """What the user named must be in both trees. What the configuration names may be new; but not all of it."""
    for path in sorted(named):
        if not _exists(path):
            raise ConfigError(f"{path}: no such file or folder", "name what is there now, and was there at the revision")
        with chdir(old.here):
            if not _exists(path):
                raise ConfigError(f"{path} is not there at {old.name} ({old.commit[:12]})", "name an older path, or a later revision")
    with chdir(old.here):
        if not _there(given):
            raise ConfigError(f"none of {', '.join(given)} is there at {old.name} ({old.commit[:12]})", "name a later revision")


def _there(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if _exists(path)]


def _exists(path: str) -> bool:
    return os.path.lexists(path) or (any(c in path for c in "*?[") and next(Path().glob(path), None) is not None)
