"""The arenas: one database a test process and kind, whose connections stay open from schedule to schedule."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from fixtures.database import Database
from fixtures.server import TEMPLATE, database_dsn
from races import pauses
from races.arena import Arena, Count
from tollway.embedded import EmbeddedPostgres


@contextmanager
def _arena(server: EmbeddedPostgres) -> Iterator[Arena]:
    name = f"t_{uuid.uuid4().hex[:20]}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
        database = Database(database_dsn(server.dsn, name))
        arena = Arena(database)
        yield arena
        arena.close()
        database.close()
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def _plain_arena(server: EmbeddedPostgres) -> Iterator[Arena]:
    with _arena(server) as arena:
        yield arena


@pytest.fixture(scope="session")
def _paused_arena(server: EmbeddedPostgres) -> Iterator[Arena]:
    with _arena(server) as arena:
        assert pauses.install(arena.db) > 100
        yield arena


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Iterator[Callable[[Arena], Arena]]:
    """Each arena a test uses: what it runs there is counted, and printed at the end of all (races/report.py)."""
    used: list[Arena] = []

    def use(arena: Arena) -> Arena:
        arena.count = Count()
        used.append(arena)
        return arena

    yield use
    for arena in used:
        record_property("races", [arena.count.schedules, arena.count.blocked, arena.count.serial])


@pytest.fixture
def arena(_plain_arena: Arena, counted: Callable[[Arena], Arena]) -> Arena:
    """Our functions as they are."""
    return counted(_plain_arena)


@pytest.fixture
def paused_arena(_paused_arena: Arena, counted: Callable[[Arena], Arena]) -> Arena:
    """Our functions with pauses between their statements."""
    return counted(_paused_arena)


@pytest.fixture
def control(db: Database, counted: Callable[[Arena], Arena]) -> Iterator[Arena]:
    """A database to break."""
    arena = counted(Arena(db))
    yield arena
    arena.close()


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """All schedules (`make races`), or the short cut of `make test`?"""
    return str(request.config.getoption("--races")) == "full"
