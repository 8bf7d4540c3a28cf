"""Each test of the API runs twice: its workflows as coroutine functions, and as plain ones in threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api import cases as asynchronous
from api import sync_cases as synchronous
from tollway.workflow import Tollway
from worker.harness import Database


@pytest.fixture(params=[asynchronous, synchronous], ids=["async", "sync"])
def cases(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def app(db: Any) -> Tollway:
    db.rows("select absurd.create_queue('default')")
    return Tollway(db.dsn)


@pytest.fixture
def look(db: Any) -> Iterator[Database]:
    database = Database(db.dsn)
    yield database
    assert database.violations() == []
    database.close()
