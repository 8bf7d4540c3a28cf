"""`tollway schema install | migrate | verify | show`: the engine's SQL in a database."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict

import orjson

from tollway.cli.output import FAILED, OK, add_common, connect, dsn_of, emit, say
from tollway.client import Client
from tollway.errors import SchemaMismatch
from tollway.schema import Installed, install, migrate, show, verify

EXIT_CODES = "Exit codes: 0 done, 1 refused, behind or violations, 2 wrong usage, 3 the database could not be reached."

Command = Callable[[argparse.Namespace], int]


def register(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    noun = nouns.add_parser("schema", help="install and check the engine in a database")
    verbs = noun.add_subparsers(dest="verb", required=True, metavar="VERB")
    installing = _verb(verbs, "install", _install, "put the engine in, or bring it to this release; safe to repeat")
    installing.add_argument("--queue", action="append", metavar="NAME", help="a queue to make; may be given again; default: default")
    installing.add_argument("--test-clock", action="store_true", help="let tests set the time; never in production")
    _verb(verbs, "migrate", _migrate, "bring an installed engine to this release")
    _verb(verbs, "verify", _verify, "compare the database with this release, and check every invariant")
    _verb(verbs, "show", _show, "what is installed, and which migrations were applied")


def _verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, command: Command, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.set_defaults(command=command)
    return parser


def _install(arguments: argparse.Namespace) -> int:
    dsn = _reachable(arguments)
    done = install(dsn, test_clock=arguments.test_clock)
    code = _report(arguments, done)
    with connect(dsn) as connection:
        for queue in arguments.queue or ["default"]:
            Client(connection).create_queue(queue)
            if not arguments.json:
                say(f"queue      {queue}")
    return code


def _migrate(arguments: argparse.Namespace) -> int:
    return _report(arguments, migrate(_reachable(arguments)))


def _verify(arguments: argparse.Namespace) -> int:
    dsn = _reachable(arguments)
    try:
        drift = verify(dsn)
    except SchemaMismatch as error:
        if not arguments.json:
            raise
        emit({"invariant": "structure_is_this_releases", "detail": {"message": error.message, "hint": error.hint}})
        return FAILED
    for found in drift:
        if arguments.json:
            emit(asdict(found))
        else:
            where = found.task_id or found.queue_name or "-"
            say(f"{found.invariant}  {where}  {orjson.dumps(found.detail, default=str).decode()}")
    if not arguments.json:
        say(f"{len(drift)} violations" if drift else "verified: no violations")
    return FAILED if drift else OK


def _show(arguments: argparse.Namespace) -> int:
    found = show(_reachable(arguments))
    if arguments.json:
        emit(found)
        return OK
    migrations = found.pop("migrations")
    for name, value in found.items():
        say(f"{name.replace('_', ' '):<18} {value}")
    for migration in migrations:
        say(f"{'migration':<18} {migration['version']:04} {migration['name']} at {migration['applied_at']}")
    return OK


def _reachable(arguments: argparse.Namespace) -> str:
    """The database, once it answers: connecting tries again for a while, which schema's own connection does not."""
    dsn = dsn_of(arguments)
    connect(dsn).close()
    return dsn


def _report(arguments: argparse.Namespace, done: Installed) -> int:
    if arguments.json:
        emit(asdict(done))
        return OK
    before = "nothing" if done.version_before == 0 else f"version {done.version_before}"
    say(f"structure  {before} -> version {done.version}")
    for migration in done.migrations:
        say(f"migration  {migration}")
    say(f"code       {done.code_files} files")
    if done.test_clock:
        say("clock      tests may set it")
    return OK
