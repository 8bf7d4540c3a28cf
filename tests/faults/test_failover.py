"""The server is killed under a worker in full flow: once it is there again both lines come back, and each task ends once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import flow
from faults.flow import BOUND, HELD, TASKS, Flow, Lines
from tollway.embedded import EmbeddedPostgres
from worker.harness import Database, eventually_sync


@pytest.fixture
def look(own_server: EmbeddedPostgres) -> Iterator[Database]:
    database = Database(own_server.dsn)
    database.connection.execute("select absurd.create_queue('default')")
    yield database
    database.close()


def test_a_worker_on_two_lines_outlives_its_server(own_server: EmbeddedPostgres, look: Database, tmp_path: Path) -> None:
    """Killed while it is in the middle of a call of many ends and of a claim, so neither has happened."""
    flow.start_tasks(look)
    lines = Lines.laid(look)

    with Flow(own_server.dsn, tmp_path / "worker") as worker:
        worker.both_lines_busy(lines, look)
        own_server.kill()
        worker.process.says("database unreachable for worker")
        own_server.start()
        look.connect()
        worker.both_lines_busy(lines, look)
        lines.let_go()
        worker.set_free()
        eventually_sync(lambda: flow.completed(look) == TASKS, BOUND)
        worker.process.signal(signal.SIGTERM)
        assert worker.process.wait(BOUND) == 0

    lines.removed()
    assert set(flow.bodies(tmp_path).values()) == {1}
    flow.assert_each_ended_once(look)


def test_a_worker_stops_while_its_server_is_down(own_server: EmbeddedPostgres, look: Database, tmp_path: Path) -> None:
    """It cannot say so to anybody: what it held waits for its lease, and is whole."""
    flow.start_tasks(look)
    lines = Lines.laid(look)

    with Flow(own_server.dsn, tmp_path / "worker", "--grace", "0.1") as worker:
        worker.both_lines_busy(lines, look)
        own_server.kill()
        worker.process.says("database unreachable for worker")
        worker.process.signal(signal.SIGTERM)
        assert worker.process.wait(BOUND) == 0

    own_server.start()
    look.connect()
    assert flow.running(look) == HELD
    lines.removed()
    assert look.violations() == []
