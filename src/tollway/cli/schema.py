"""`tollway schema install | migrate | verify | show`: the engine's SQL in a database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from tollway.cli.database import connect, dsn_of
from tollway.cli.options import Dsn, Json
from tollway.cli.output import FAILED, OK, UNREACHABLE, emit, say
from tollway.cli.progress import working
from tollway.client import Client
from tollway.errors import SchemaMismatch
from tollway.schema import Installed
from tollway.schema import install as install_schema
from tollway.schema import migrate as migrate_schema
from tollway.schema import show as show_schema
from tollway.schema import verify as verify_schema

app = typer.Typer(help="Install and check the engine in a database.", no_args_is_help=True)


@app.command("install")
def install(
    queue: Annotated[
        list[str] | None, typer.Option("--queue", metavar="NAME", help="A queue to make; may be given again; default: default.")
    ] = None,
    test_clock: Annotated[bool, typer.Option("--test-clock", help="Let tests set the time; never in production.")] = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Put the engine in, or bring it to this release; safe to repeat."""
    address = _reachable(dsn)
    with working("installing the schema"):
        done = install_schema(address, test_clock=test_clock)
    queues = queue or ["default"]
    with connect(address) as connection:
        for name in queues:
            Client(connection).create_queue(name)
    _report(done, as_json, queues)
    return OK


@app.command("migrate")
def migrate(dsn: Dsn = None, as_json: Json = False) -> int:
    """Bring an installed engine to this release."""
    address = _reachable(dsn)
    with working("migrating the schema"):
        done = migrate_schema(address)
    _report(done, as_json, [])
    return OK


@app.command("verify")
def verify(dsn: Dsn = None, as_json: Json = False) -> int:
    """Compare the database with this release, and check every invariant. Exit code 1: violations, 3: behind or ahead."""
    address = _reachable(dsn)
    try:
        with working("comparing the database with this release"):
            drift = verify_schema(address)
    except SchemaMismatch as error:
        if not as_json:
            raise
        emit({"invariant": "structure_is_this_releases", "detail": {"message": error.message, "hint": error.hint}})
        return UNREACHABLE
    for found in drift:
        if as_json:
            emit(asdict(found))
        else:
            where = found.task_id or found.queue_name or "-"
            say(f"{found.invariant}  {where}  {orjson.dumps(found.detail, default=str).decode()}")
    if not as_json:
        say(f"{len(drift)} violations" if drift else "verified: no violations")
    return FAILED if drift else OK


@app.command("show")
def show(dsn: Dsn = None, as_json: Json = False) -> int:
    """Show what is installed, and which migrations were applied."""
    found = show_schema(_reachable(dsn))
    if as_json:
        emit(found)
        return OK
    migrations = found.pop("migrations")
    for name, value in found.items():
        say(f"{name.replace('_', ' '):<18} {value}")
    for migration in migrations:
        say(f"{'migration':<18} {migration['version']:04} {migration['name']} at {migration['applied_at']}")
    return OK


def _reachable(given: str | None) -> str:
    """The database, once it answers: connecting tries again for a while, which schema's own connection does not."""
    dsn = dsn_of(given)
    connect(dsn).close()
    return dsn


def _report(done: Installed, as_json: bool, queues: list[str]) -> None:
    if as_json:
        emit({**asdict(done), "queues": queues})
        return
    before = "nothing" if done.version_before == 0 else f"version {done.version_before}"
    say(f"structure  {before} -> version {done.version}")
    for migration in done.migrations:
        say(f"migration  {migration}")
    say(f"code       {done.code_files} files")
    if done.test_clock:
        say("clock      tests may set it")
    for name in queues:
        say(f"queue      {name}")
