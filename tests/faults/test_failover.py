"""The server is killed under a worker in full flow, and started again: both lines come back, and each task ends once."""

from __future__ import annotations

import signal
from pathlib import Path

from faults import flow
from faults.flow import BOUND, TASKS, Flow, Lines
from tollway.embedded import EmbeddedPostgres
from worker.harness import Database, eventually_sync


def test_a_worker_on_two_lines_outlives_its_server(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """Killed while it is in the middle of a call of many ends and of a claim, so neither has happened."""
    look = Database(own_server.dsn)
    look.connection.execute("select absurd.create_queue('default')")
    flow.start_tasks(look)
    lines = Lines.laid(look)

    with Flow(own_server.dsn, tmp_path / "worker") as worker:
        worker.both_lines_busy(lines, look)
        own_server.kill()
        worker.process.says("database unreachable for worker")
        own_server.start()
        look = Database(own_server.dsn)
        lines = Lines(look)
        worker.both_lines_busy(lines, look)
        lines.let_go()
        worker.set_free()
        eventually_sync(lambda: flow.completed(look) == TASKS, BOUND)
        worker.process.signal(signal.SIGTERM)
        assert worker.process.wait(BOUND) == 0

    lines.removed()
    assert set(flow.bodies(tmp_path).values()) == {1}
    flow.assert_each_ended_once(look)
    look.close()
