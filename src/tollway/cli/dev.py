"""`tollway dev MODULE:APP`: a database, the schema, a queue and a worker that reloads, until Ctrl-C."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tollway.cli.database import connect
from tollway.cli.loading import load_app
from tollway.cli.options import Dsn, Json
from tollway.cli.output import OK, emit, note, say
from tollway.cli.progress import working
from tollway.cli.reload import ReloadingWorker
from tollway.cli.sample import sample_input
from tollway.client import Client
from tollway.embedded import EmbeddedPostgres, default_data_dir
from tollway.schema import install
from tollway.workflow import Tollway
from tollway.workflow.app import DSN_VARIABLE


def dev(
    target: Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the Tollway application is.")],
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Where the embedded PostgreSQL keeps its data; default: $TOLLWAY_HOME, else ~/.local/share."),
    ] = None,
    watch: Annotated[
        list[Path] | None, typer.Option("--watch", help="A folder whose .py files are watched; may be given again; default: this one.")
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=10_000, help="Handlers at once.")] = 20,
    dsn: Dsn = None,
    as_json: Json = False,
) -> int:
    """Start everything: an embedded PostgreSQL with the schema and the queue, and a worker that restarts when a file changes.

    With --dsn, that database is used instead of the embedded one. Ctrl-C ends everything; the data stays.
    """
    app = load_app(target)
    with _told_to_end() as told, _database(dsn, data_dir) as address:
        _prepare(address, app)
        _print_welcome(address, target, app, as_json)
        with ReloadingWorker(target, address, watch or [Path.cwd()], concurrency) as worker:
            worker.run(told)
    return OK


@contextlib.contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Set by Ctrl-C, SIGTERM or the end of the terminal, the normal ends of this command; a second one interrupts whatever is going on.

    An exception at any moment could hit the start of the worker, and leave it behind without anybody who knows of it.
    """
    told = threading.Event()

    def tell(_number: int, _frame: object) -> None:
        if told.is_set():
            raise KeyboardInterrupt
        told.set()

    # the worker is in a session of its own and would not hear that the terminal is closed; `nohup` wants nobody to
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM, *hangup)}
    try:
        yield told
        note("stopped")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _database(dsn: str | None, data_dir: Path | None) -> Iterator[str]:
    if dsn:
        yield dsn
        return
    server = EmbeddedPostgres(data_dir or default_data_dir())
    with working("starting PostgreSQL"):
        server.start()
    try:
        yield server.dsn
    finally:
        server.stop()
        if server.postmaster_pid is not None:
            note(f"PostgreSQL goes on: another process uses {server.data_dir}")


def _prepare(dsn: str, app: Tollway) -> None:
    with working("installing the schema"):
        connect(dsn).close()
        install(dsn)
    with connect(dsn) as connection:
        Client(connection).create_queue(app.queue)


def _print_welcome(dsn: str, target: str, app: Tollway, as_json: bool) -> None:
    names = app.registry.names()
    sample = shlex.quote(sample_input(app.registry.get(names[0]))) if names else "'{}'"
    commands = [
        f"export {DSN_VARIABLE}='{dsn}'",
        f"{_program()} start {names[0] if names else 'WORKFLOW'} {sample} --app {target} --follow",
        f"{_program()} log tail --follow",
    ]
    if as_json:
        emit({"dsn": dsn, "queue": app.queue, "workflows": names, "next": commands})
        return
    say(f"database   {dsn}")
    say(f"queue      {app.queue}")
    say(f"workflows  {', '.join(names) or 'none yet'}")
    say()
    say("In another terminal:")
    for command in commands:
        say(f"  {command}")
    say()


def _program() -> str:
    """As the user called us."""
    return "tollway" if Path(sys.argv[0]).name == "tollway" else "python -m tollway"
