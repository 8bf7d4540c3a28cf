"""One database and one program of Node.js for the folder; a queue of its own for each test, and sound records after it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from compat.features.sides import NodeSdk, Ours, PythonSdk
from fixtures.database import Database
from fixtures.node import NodeProgram, workshop
from fixtures.server import TEMPLATE, database_dsn
from tollway.embedded import EmbeddedPostgres

NUMBERS = itertools.count()


@dataclass
class Queue:
    """A queue whose tasks an SDK spawns. `first` works their first half, `second` the rest."""

    db: Database
    name: str
    sdk: Any
    first: Any
    second: Any

    def log(self, task: str) -> list[tuple[str, str | None]]:
        query = "select event, worker from absurd.absurd_event_log where task_id = %s order by seq"
        return [(event, worker) for event, worker in self.db.rows(query, task)]

    def events(self, task: str) -> list[str]:
        return [event for event, _ in self.log(task)]

    def state(self, task: str) -> str:
        """The task's, which its workflow's is, too."""
        states = """select t.state, w.status from absurd.task t join absurd.workflow_run w on w.workflow_run_id = t.task_id
                    where t.task_id = %s"""
        state, status = self.db.one(states, task)
        assert state == status
        return str(state)

    def workers(self, task: str) -> list[str]:
        """Who claimed it, in order; ours by one name."""
        claims = [worker for event, worker in self.log(task) if event == "run.claimed"]
        return ["foreign" if worker == "foreign" else "tollway" for worker in claims]


@pytest.fixture(scope="module")
def shared_db(server: EmbeddedPostgres) -> Iterator[Database]:
    name = f"f_{uuid.uuid4().hex[:20]}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
        database = Database(database_dsn(server.dsn, name))
        yield database
        database.close()
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def program(shared_db: Database, node_sdk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProgram]:
    program = NodeProgram(workshop(node_sdk, tmp_path_factory.mktemp("features")), "driver.mjs", shared_db.dsn)
    yield program
    assert program.end() == 0, program.log.read_text()


@pytest.fixture(params=["python", "typescript"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["alone", "then our worker", "after our worker"])
def halves(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def queue(shared_db: Database, language: str, halves: str, request: pytest.FixtureRequest) -> Iterator[Queue]:
    shared_db.clock.set(None)
    name = f"q{next(NUMBERS)}"
    shared_db.conn.execute("select absurd.create_queue(%s)", (name,))
    shared_db.clock.freeze()
    sdk: Any = PythonSdk(shared_db, name) if language == "python" else NodeSdk(shared_db, name, request.getfixturevalue("program"))
    ours = Ours(shared_db, name)
    first, second = {"alone": (sdk, sdk), "then our worker": (sdk, ours), "after our worker": (ours, sdk)}[halves]
    yield Queue(shared_db, name, sdk, first, second)
    sdk.close()
    assert shared_db.verify() == []
