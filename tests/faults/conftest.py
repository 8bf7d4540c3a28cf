"""An application and a look at its database, for each test; a folder for sockets; a server that may be killed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.conftest import app, look, own_server

__all__ = ["app", "look", "own_server"]


@pytest.fixture
def folder() -> Iterator[Path]:
    # a socket's path must be short
    with tempfile.TemporaryDirectory(prefix="tw-") as name:
        yield Path(name)
