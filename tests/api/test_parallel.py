"""map and gather: really parallel, resumed where they were, suspended once for all branches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.test_steps import result_of
from tollway import Tollway
from tollway.errors import TaskFailed
from worker.harness import Database, run, work_off


def test_steps_of_a_map_run_at_the_same_time(app: Tollway, look: Database, cases: Any) -> None:
    assert result_of(app, cases.meeting(app, 10)) == [n * 10 for n in range(10)]


def test_only_the_unfinished_run_again(app: Tollway, look: Database, cases: Any) -> None:
    notes: list[int] = []
    workflow = cases.mapping(app, notes, {2})
    assert result_of(app, workflow) == [2, 4, 6]
    assert sorted(notes[:3]) == [1, 2, 3]
    assert notes[3:] == [2]
    assert look.one("select count(*) from absurd.checkpoint where checkpoint_name in ('double[n1]', 'double[n2]', 'double[n3]')") == 3


def test_branches_sleep_each_for_its_own_time(app: Tollway, look: Database, cases: Any, db: Any) -> None:
    notes: list[str] = []
    workflow = cases.branching(app, notes)

    async def scenario() -> None:
        handle = await app.start(workflow)
        await work_off(app)
        assert sorted(notes) == ["begin 1", "begin 2"]
        db.clock.advance(timedelta(seconds=3605))
        await work_off(app)
        assert notes[2:] == ["end 1"]
        assert look.state(handle.id) == "sleeping"
        db.clock.advance(timedelta(seconds=3590))
        await work_off(app)
        assert notes[2:] == ["end 1"], "the second wakes after its own two hours only"
        db.clock.advance(timedelta(seconds=60))
        await work_off(app)
        assert await handle.result(timeout=5) == [1, 2]

    run(scenario())
    assert sorted(notes[2:]) == ["end 1", "end 2"]


@pytest.mark.parametrize("emitted_before", [(), (1,), (2,), (1, 2)])
def test_branches_wait_for_events_that_are_there_or_come(app: Tollway, look: Database, cases: Any, emitted_before: tuple[int, ...]) -> None:
    workflow = cases.waiting_branches(app)

    async def scenario() -> None:
        for number in emitted_before:
            await app.emit_event(f"go {number}", number)
        handle = await app.start(workflow)
        await work_off(app)
        for number in {1, 2} - set(emitted_before):
            assert look.state(handle.id) == "sleeping"
            await app.emit_event(f"go {number}", number)
            await work_off(app)
        assert await handle.result(timeout=5) == [1, 2]

    run(scenario())


def test_what_is_found_by_order_needs_a_name_in_a_branch(app: Tollway, look: Database, cases: Any) -> None:
    with pytest.raises(TaskFailed, match=r"ctx\.sleep without a name inside a parallel branch"):
        result_of(app, cases.unnamed_in_branch(app))
