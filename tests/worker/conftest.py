"""An application and a look at its database, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

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
