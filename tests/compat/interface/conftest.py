"""A still clock, the queue, and a database in which nothing disagrees afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixtures.database import Database
from sql.helpers import prepare


@pytest.fixture(autouse=True)
def scenario(db: Database) -> Iterator[None]:
    prepare(db)
    yield
    assert db.verify() == []
