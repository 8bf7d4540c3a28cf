"""An application and a look at its database, for each test; a server of a test's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tollway.embedded import EmbeddedPostgres
from tollway.schema import install
from tollway.workflow import Tollway
from worker.harness import Database


@pytest.fixture
def app(db: Any) -> Tollway:
    db.rows("select absurd.create_queue('default')")
    return Tollway(db.dsn)


@pytest.fixture
def look(db: Any) -> Iterator[Database]:
    database = Database(db.dsn)
    yield database
    database.close()


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """A server that may be killed: the others' goes on."""
    folder = Path(tempfile.mkdtemp(prefix="tollway-"))
    folder.chmod(0o755)
    with EmbeddedPostgres(folder / "pg", int(request.config.getoption("--pg")), settings={"fsync": "off"}) as server:
        install(server.dsn)
        yield server
    shutil.rmtree(folder)
