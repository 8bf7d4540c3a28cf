"""SIGTERM to a worker in full flow: whatever its claim beside the operations comes to, nobody has to wait for a lease."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
import pytest

from faults import flow
from faults.flow import BOUND, CLAIMS, HELD, OPERATIONS, SLOTS, TASKS, Flow, Lines
from tollway import Tollway
from worker.harness import Database, eventually_sync

SPARE = HELD - SLOTS
"""Tasks that begin when those in the slots end."""


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "connection lost"])
def test_what_a_claim_under_way_took_is_others_at_once(app: Tollway, look: Database, tmp_path: Path, lost: bool) -> None:
    """The first worker still drains, and will for as long as its handlers like, while another has done all the rest."""
    flow.start_tasks(look)
    lines = Lines.laid(look)

    with Flow(app.dsn, tmp_path / "worker", "--grace", "600") as worker:
        worker.both_lines_busy(lines, look)
        worker.process.signal(signal.SIGTERM)
        worker.process.says("draining")
        if lost:
            lines.terminate(CLAIMS)
            worker.process.says("connection lost")
        lines.let_go()
        eventually_sync(lambda: look.one("select count(*) from absurd.absurd_event_log where event = 'run.released'") == SLOTS, BOUND)
        flow.work_off_the_rest(app.dsn, tmp_path / "other")
        assert flow.running(look) == SPARE
        assert flow.completed(look) == TASKS - SPARE
        worker.set_free()
        assert worker.process.wait(BOUND) == 0

    lines.removed()
    assert set(flow.bodies(tmp_path).values()) == {1}
    flow.assert_each_ended_once(look)


def test_a_claim_that_waits_for_a_lock_does_not_keep_the_worker(app: Tollway, look: Database, tmp_path: Path) -> None:
    """It is taken back, and what it would have taken stays as it was."""
    flow.start_tasks(look)
    lines = Lines.laid(look)

    with Flow(app.dsn, tmp_path / "worker", "--grace", "0.1") as worker:
        worker.both_lines_busy(lines, look)
        lines.let_go(OPERATIONS)
        worker.process.signal(signal.SIGTERM)
        assert worker.process.wait(BOUND) == 0

    assert flow.running(look) == 0
    assert not lines.waits(CLAIMS)
    lines.removed()
    flow.work_off_the_rest(app.dsn, tmp_path / "other")
    flow.assert_each_ended_once(look)


def test_what_could_not_be_said_in_time_is_given_back_at_the_last(app: Tollway, look: Database, tmp_path: Path) -> None:
    """The call that gives back those that never began is stuck, and with it all who would go by the next."""
    flow.start_tasks(look)
    lines = Lines.laid(look)

    with Flow(app.dsn, tmp_path / "worker", "--grace", "0.1") as worker:
        worker.settled(look)
        lines.hold(OPERATIONS)
        worker.process.signal(signal.SIGTERM)
        eventually_sync(lambda: flow.backend(look, OPERATIONS, "wait_event = 'advisory' and query like '%%release_claims%%'"), BOUND)
        lines.let_go(OPERATIONS)
        assert worker.process.wait(BOUND) == 0

    assert flow.running(look) == 0
    lines.removed()
    flow.work_off_the_rest(app.dsn, tmp_path / "other")
    flow.assert_each_ended_once(look)


def test_a_locked_table_does_not_keep_the_worker(app: Tollway, look: Database, tmp_path: Path) -> None:
    """Nothing can be recorded, not even what is given back: that waits for its lease."""
    flow.start_tasks(look)
    lines = Lines.laid(look)

    with psycopg.connect(look.dsn) as other, Flow(app.dsn, tmp_path / "worker", "--grace", "0.1") as worker:
        worker.both_lines_busy(lines, look)
        lines.let_go()
        worker.settled(look)
        other.execute("lock table absurd.task in access exclusive mode")
        worker.process.signal(signal.SIGTERM)
        assert worker.process.wait(BOUND) == 0

    assert flow.running(look) == HELD
    lines.removed()
