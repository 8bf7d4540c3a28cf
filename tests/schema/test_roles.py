"""Installing as a login that is no superuser, on a server of its own: roles belong to the whole server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tollway.embedded import EmbeddedPostgres
from tollway.errors import TollwayError
from tollway.schema import install, verify


@pytest.fixture
def clean_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    home = Path(tempfile.mkdtemp(prefix="tollway-"))
    home.chmod(0o755)
    with EmbeddedPostgres(home / "data", int(request.config.getoption("--pg")), settings={"fsync": "off"}) as server:
        yield server
    shutil.rmtree(home)


def login(server: EmbeddedPostgres, attribute: str) -> str:
    """A login with this attribute that owns a database; its connection string."""
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"create role dba login {attribute}")
        admin.execute("create database app owner dba")
    return server.dsn.replace("postgres@/postgres", "dba@/app")


def test_a_login_that_may_create_roles_needs_no_superuser(clean_server: EmbeddedPostgres) -> None:
    dsn = login(clean_server, "createrole")

    install(dsn)

    assert verify(dsn) == []


def test_a_login_that_may_not_is_told_the_statements_and_they_are_enough(clean_server: EmbeddedPostgres) -> None:
    dsn = login(clean_server, "nocreaterole")

    with pytest.raises(TollwayError) as refused:
        install(dsn)
    assert refused.value.hint is not None
    statements = refused.value.hint.partition("run: ")[2].replace("<this login>", "dba").replace("<this one>", "app")
    with psycopg.connect(clean_server.dsn, autocommit=True) as admin:
        admin.execute(statements)
    install(dsn)

    assert verify(dsn) == []
