"""The pytest plugin: options, and the fixtures whose names begin with `tollway_`.

It is loaded into every run of pytest in an environment that has Tollway: it imports the rest only when a fixture is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from shutil import rmtree
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tollway.testing.database import TestDatabase
    from tollway.testing.env import Env
    from tollway.testing.server import TestServer

DSN_OPTION = "--tollway-dsn"
DSN_VARIABLE = "TOLLWAY_TEST_DATABASE_URL"
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "300"}
"""The server ends with the tests: nothing in it has to survive a power cut."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("tollway").addoption(
        DSN_OPTION,
        metavar="DSN",
        default=None,
        help=f"server for test databases; the role may create databases. Default: ${DSN_VARIABLE}, else an embedded PostgreSQL",
    )


@pytest.fixture(scope="session")
def tollway_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The server of the test databases; one for all processes of pytest-xdist."""
    from tollway.testing.server import TestServer

    given = request.config.getoption(DSN_OPTION, None) or os.environ.get(DSN_VARIABLE)
    with ExitStack() as stack:
        server = TestServer(given) if given else TestServer(_embedded(stack, tmp_path_factory), throwaway=True)
        stack.callback(server.close)
        yield server


@pytest.fixture
def tollway_db(tollway_server: TestServer) -> Iterator[TestDatabase]:
    """A fresh database: `.dsn`, `.conn`, `.rows()`, `.one()`, `.clock`, `.verify()`."""
    with tollway_server.database() as database:
        yield database


@pytest.fixture
def tollway_env(tollway_server: TestServer, tollway_db: TestDatabase) -> Iterator[Env]:
    """Runs workflows on `tollway_db`, in this process, on a clock that jumps over what they sleep."""
    from tollway.testing.env import Env

    with Env(tollway_server, tollway_db) as env:
        yield env


def _embedded(stack: ExitStack, folders: pytest.TempPathFactory) -> str:
    """Start it, or join the one that another process of this run has started."""
    from tollway.embedded import EmbeddedPostgres, throwaway_folder

    base = folders.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:12]
    # not below pytest's folder, which only its owner can pass: the server may run as another user
    root = throwaway_folder() / f"tollway-testing-{shared.name}-{os.getuid()}-{run}"
    root.mkdir(mode=0o755, exist_ok=True)
    server = EmbeddedPostgres(root / "pg", settings=FAST)

    def leave() -> None:
        server.stop()
        if server.postmaster_pid is None:  # the last one out
            rmtree(root, ignore_errors=True)

    stack.callback(leave)
    return server.start().dsn
