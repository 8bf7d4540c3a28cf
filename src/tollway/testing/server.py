"""The server that tests run on, and the template that each test's database is a copy of."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tollway.schema import install
from tollway.schema.files import read_release
from tollway.testing.database import TestDatabase

TEMPLATE_LOCK = 7_250_417_118_101
"""Any number of our own: processes that would make the same template wait for one another."""


class TestServer:
    """A PostgreSQL server whose role may create databases.

    The template stays on the server, named for this release's SQL, so that the next run finds it.
    """

    __test__ = False  # no test class, whatever its name

    def __init__(self, dsn: str, *, throwaway: bool = False) -> None:
        """`throwaway`: the server does not outlive the tests, so copies may be made in the way that is quick without fsync."""
        self.dsn = dsn
        self._strategy = "file_copy" if throwaway else "wal_log"
        self._template: str | None = None
        self._admin: psycopg.Connection[Any] | None = None
        # One thread makes the next database and drops the last while a test runs on its own.
        self._background = ThreadPoolExecutor(1, thread_name_prefix="tollway-testing")
        self._spare: Future[str] | None = None
        self._dropping: list[Future[None]] = []

    def create(self) -> TestDatabase:
        """A new database with the schema, the test clock and nothing else.

        A copy is made ahead, so that only the first test, and one that is shorter than a copy takes (0.05 to 0.5 s), waits.
        """
        ready = self._spare or self._background.submit(self._make)
        self._spare = self._background.submit(self._make)
        name = ready.result()
        return TestDatabase(database_dsn(self.dsn, name), name)

    def drop(self, database: TestDatabase) -> None:
        """Drop it, whoever is still connected; not necessarily at once. Raises: what an earlier drop met."""
        database.close()
        for earlier in [drop for drop in self._dropping if drop.done()]:
            self._dropping.remove(earlier)
            earlier.result()
        self._dropping.append(self._background.submit(self._drop, database.name))

    @contextmanager
    def database(self) -> Iterator[TestDatabase]:
        """A database for the time of the block."""
        database = self.create()
        try:
            yield database
        finally:
            self.drop(database)

    def close(self) -> None:
        """Leave nothing on the server but the template."""
        if self._spare is not None:
            self._dropping.append(self._background.submit(self._drop, self._spare.result()))
        self._background.shutdown(wait=True)
        if self._admin is not None:
            self._admin.close()
        for drop in self._dropping:
            drop.result()

    # -- in the background --------------------------------------------------------------------------------------

    def _make(self) -> str:
        template = self._made_template()
        name = f"tollway_t_{uuid.uuid4().hex[:20]}"
        composed = sql.SQL("create database {} template {} strategy {}")
        self._connection().execute(composed.format(*map(sql.Identifier, (name, template, self._strategy))))
        return name

    def _drop(self, name: str) -> None:
        self._execute("drop database if exists {} with (force)", name)

    # -- the template -------------------------------------------------------------------------------------------

    def _made_template(self) -> str:
        if self._template is None:
            name = template_name()
            self._connection().execute("select pg_advisory_lock(%s)", (TEMPLATE_LOCK,))
            try:
                if not self._is_there(name):
                    self._make_template(name)
            finally:
                self._connection().execute("select pg_advisory_unlock(%s)", (TEMPLATE_LOCK,))
            self._template = name
        return self._template

    def _is_there(self, name: str) -> bool:
        found = self._connection().execute("select 1 from pg_database where datname = %s and datistemplate", (name,)).fetchone()
        return found is not None

    def _make_template(self, name: str) -> None:
        self._execute("drop database if exists {} with (force)", name)  # of a run that was killed half-way
        self._execute("create database {}", name)
        install(database_dsn(self.dsn, name), test_clock=True)
        self._execute("alter database {} is_template true allow_connections false", name)

    def _execute(self, statement: LiteralString, name: str) -> None:
        self._connection().execute(sql.SQL(statement).format(sql.Identifier(name)))

    def _connection(self) -> psycopg.Connection[Any]:
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self.dsn, autocommit=True, application_name="tollway testing")
        return self._admin


def template_name() -> str:
    """One for each state of this release's SQL: a changed file makes a new template."""
    release = read_release()
    files = (*release.structure, *(file for _, file in release.migrations), *release.code, *release.test_clock)
    digest = hashlib.sha256("".join(file.checksum for file in files).encode()).hexdigest()[:16]
    return f"tollway_template_{digest}"


def database_dsn(dsn: str, name: str) -> str:
    """The same server's connection string, in the same form, for another database."""
    if dsn.startswith(("postgresql://", "postgres://")):
        return urlsplit(dsn)._replace(path=f"/{name}").geturl()
    return make_conninfo(dsn, dbname=name)
