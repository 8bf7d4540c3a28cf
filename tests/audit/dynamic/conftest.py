"""An empty database for schemas of the test's own, beside `db` with ours."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from fixtures.server import database_dsn
from tollway.embedded import EmbeddedPostgres


@pytest.fixture
def empty(server: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A connection to an empty database, which is dropped afterwards."""
    name = f"t_{uuid.uuid4().hex[:20]}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"create database {name}")
        with psycopg.connect(database_dsn(server.dsn, name), autocommit=True) as connection:
            yield connection
        admin.execute(f"drop database {name} with (force)")


def dsn_of(connection: psycopg.Connection) -> str:
    """The DSN of a connection to the embedded server, which asks for no password."""
    return psycopg.conninfo.make_conninfo("", **connection.info.get_parameters())
