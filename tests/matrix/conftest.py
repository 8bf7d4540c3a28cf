"""One run for all tests of this folder, in a database of its own."""

from __future__ import annotations

import fcntl
import os
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fixtures.node import NoNodeSdk, installed_for, workshop
from fixtures.server import TEMPLATE, database_dsn
from matrix.actors import foreign_sdk
from matrix.all_rows import ROWS
from matrix.run import Cell, actors, run_matrix
from tollway.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def sdk(pytestconfig: pytest.Config) -> Any:
    """absurd-sdk, unmodified, or None where the package index cannot be reached."""
    try:
        return foreign_sdk(Path(str(pytestconfig.cache.mkdir("absurd-sdk"))) if pytestconfig.cache else Path(".pytest_cache"))
    except ImportError:
        return None


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """A folder with the TypeScript SDK, or None where Node.js or the package index cannot be had."""
    try:
        return workshop(installed_for(pytestconfig), tmp_path_factory.mktemp("node"))
    except NoNodeSdk:
        return None


@pytest.fixture(scope="session")
def matrix_dsn(server: EmbeddedPostgres) -> Iterator[str]:
    name = f"m_{uuid.uuid4().hex[:20]}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
        yield database_dsn(server.dsn, name)
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def cells(matrix_dsn: str, sdk: Any, node: Path | None, tmp_path_factory: pytest.TempPathFactory) -> list[Cell]:
    """The run; xdist's workers share one through the folder above theirs."""
    base = tmp_path_factory.getbasetemp()
    kept = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "matrix-cells"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(run_matrix(matrix_dsn, ROWS, actors(matrix_dsn, sdk, node))))
        ran: list[Cell] = pickle.loads(kept.read_bytes())
        return ran
