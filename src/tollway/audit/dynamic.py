"""The commands that need a server: verify, mutate, manifest and drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollway.audit.analysis import Analysis, read
from tollway.audit.cli.pipeline import tell_unread
from tollway.audit.config import Config, read_config
from tollway.audit.drift import Difference, Manifest, broken_invariants, differences, take
from tollway.audit.drift import compare as drifted
from tollway.audit.errors import ConfigError
from tollway.audit.live import connect
from tollway.audit.load.files import load
from tollway.audit.mutants import run as mutants
from tollway.audit.scratch import compare, drive, install, moves, put_probes, scratch
from tollway.audit.scratch.report import render as render_comparison

CLEAN, FINDINGS, INCOMPLETE = 0, 1, 3

Paths = Annotated[list[str] | None, typer.Argument(help="SQL files, folders or globs, in the order in which they are installed")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML; else tollway-audit.toml or pyproject.toml here")]
Server = Annotated[str, typer.Option("--dsn", help="a server where this login may create databases")]
Before = Annotated[list[str] | None, typer.Option("--before", help="SQL to run first that is not analysed: roles, extensions, schemas")]
Driver = Annotated[Path, typer.Option("--driver", help="a .sql or .py file that calls the functions; .py gets the DSN as its argument")]


def register(app: typer.Typer) -> None:
    """Add the commands to `tollway audit`."""
    app.command()(verify)
    app.command()(mutate)
    app.command()(manifest)
    app.command()(drift)


def verify(
    dsn: Server,
    driver: Driver,
    paths: Paths = None,
    before: Before = None,
    config: ConfigFile = None,
    scratch_database: Annotated[bool, typer.Option("--scratch", help="required: says that a database is made, used and dropped")] = False,
) -> None:
    """Run the schema in a scratch database with a probe on every state table, and hold what happened against what was read.

    Exits 0 when every change of state was known, 1 when one was not, 2 on a wrong configuration, 3 when something was not read.
    """
    if not scratch_database:
        raise ConfigError("verify runs the driver's calls", "say --scratch: a database is made on the server of --dsn, used and dropped")
    settings = read_config(config)
    given = _given(settings, paths)
    analysis = read(settings, given)
    with scratch(dsn) as made, connect(made) as connection:
        _install(connection, settings, given, before)
        probed = put_probes(connection, analysis.states)
        if not analysis.states:
            raise ConfigError("there is no state to watch", 'name columns in the configuration: state = ["public.orders.status"]')
        drive(driver, made)
        found = compare(analysis, moves(connection))
    tell_unread(analysis)
    typer.echo(render_comparison(found, probed))
    raise typer.Exit(FINDINGS if found.unexplained else _read_whole(analysis))


def mutate(
    dsn: Server,
    paths: Paths = None,
    before: Before = None,
    check: Annotated[str, typer.Option("--check", help="a command that must fail on a broken schema; {dsn} stands for the database")] = "",
    only: Annotated[list[str] | None, typer.Option("--only", help="mutants whose name has this text; may be given several times")] = None,
    both: Annotated[bool, typer.Option("--both", help="the check must fail even where a verdict turned")] = False,
    config: ConfigFile = None,
) -> None:
    """Break each trigger and each effect in a scratch database: a verdict must turn, or the check must fail.

    Exits 0 when every mutant was caught, 1 when one survived, 2 when the unbroken schema is not clean, 3 when one could not be made.
    """
    settings = read_config(config)
    given = _given(settings, paths)
    with scratch(dsn) as made:
        with connect(made) as connection:
            _install(connection, settings, given, before)
        shown, outcomes = mutants.mutate(settings, made, mutants.command(check) if check else None, only or (), both)
    if not outcomes:
        hint = "drop --only to see them all" if only else "the schema has no trigger, and no statement that a verdict rests on"
        raise ConfigError(f"there is no mutant called {' or '.join(only)}" if only else "there is nothing to break", hint)
    typer.echo(mutants.render(shown, outcomes))
    survived = any(o.how == "survived" for o in outcomes)
    raise typer.Exit(FINDINGS if survived else INCOMPLETE if any(o.how == "invalid" for o in outcomes) else CLEAN)


def manifest(
    dsn: Annotated[str, typer.Option("--dsn", help="the database to describe")],
    output: Annotated[Path | None, typer.Option("--output", help="the file; else standard output")] = None,
) -> None:
    """Write down a database's triggers, functions and grants, for `drift` to compare with."""
    with connect(dsn) as connection:
        text = take(connection).text()
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{output}: {error.strerror}", "give --output a file in a folder that can be written") from error
    typer.echo(f"wrote {output}")


def drift(
    dsn: Annotated[str, typer.Option("--dsn", help="the database to look at")],
    manifest_file: Annotated[Path | None, typer.Option("--manifest", help="what `tollway audit manifest` wrote")] = None,
    config: ConfigFile = None,
    apply: Annotated[bool, typer.Option("--apply", help="run the repair, in one transaction")] = False,
) -> None:
    """Compare a database with its manifest and the declared invariants, and print the SQL that mends it.

    Exits 0 when nothing differs (after --apply: any more), 1 when something does, 2 on a wrong configuration or a repair that fails.
    """
    settings = read_config(config)
    if manifest_file is None and not settings.invariants:
        raise ConfigError("nothing to compare with", "give --manifest, or declare [[invariant]] in the configuration")
    wanted = Manifest.read(manifest_file) if manifest_file else None

    with connect(dsn) as connection:

        def look() -> list[Difference]:
            structure = differences(wanted, take(connection)) if wanted else []
            return [*structure, *broken_invariants(connection, settings.invariants)]

        found = look()
        typer.echo(drifted.render(found))
        if apply and found:
            drifted.repair(connection, found)
            found = look()
            typer.echo("-- after the repair:\n" + drifted.render(found))
    raise typer.Exit(FINDINGS if found else CLEAN)


def _given(settings: Config, paths: list[str] | None) -> list[str]:
    given = paths or list(settings.paths)
    if not given:
        raise ConfigError("nothing to install", "name SQL files or folders, or set paths in the configuration")
    return given


def _install(connection: object, settings: Config, given: list[str], before: list[str] | None) -> None:
    loaded = (load(before or ()), load(given, settings.exclude))
    lost = next((u for part in loaded for u in part.unknowns), None)
    if lost is not None:
        raise ConfigError(f"{lost.span.file}: {lost.detail}", "what cannot be read cannot be installed: correct the path or the file")
    install(connection, [s for part in loaded for s in part.sources], dict(settings.placeholders))  # type: ignore[arg-type]


def _read_whole(analysis: Analysis) -> int:
    return INCOMPLETE if analysis.facts.unknowns else CLEAN
