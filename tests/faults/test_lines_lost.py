"""A worker in full flow loses one of its two lines, in the middle of a call: it comes back, and nothing is done twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from faults import flow
from faults.flow import BOUND, CLAIMS, OPERATIONS, TASKS, Flow, Lines
from tollway import Tollway
from worker.harness import Database, eventually_sync


@pytest.mark.parametrize("lost", [OPERATIONS, CLAIMS])
def test_a_line_that_is_lost_alone_comes_back(app: Tollway, look: Database, tmp_path: Path, lost: str) -> None:
    """Each backend is ended while it waits, so its call is rolled back; the other line's call is not disturbed."""
    flow.start_tasks(look)
    lines = Lines.laid(look)

    with Flow(app.dsn, tmp_path / "worker") as worker:
        before = dict(zip((OPERATIONS, CLAIMS), worker.both_lines_busy(lines, look), strict=True))
        lines.terminate(lost)
        worker.process.says("connection lost")
        lines.let_go()
        after = dict(zip((OPERATIONS, CLAIMS), worker.both_lines_busy(lines, look), strict=True))
        assert {line for line in before if before[line] != after[line]} == {lost}
        lines.let_go()
        worker.set_free()
        eventually_sync(lambda: flow.completed(look) == TASKS, BOUND)
        worker.process.signal(signal.SIGTERM)
        assert worker.process.wait(BOUND) == 0

    lines.removed()
    assert set(flow.bodies(tmp_path).values()) == {1}
    flow.assert_each_ended_once(look)
