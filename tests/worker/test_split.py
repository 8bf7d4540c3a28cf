"""Many tasks that all wait for one call take turns: half of them compute while the other half is recorded."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from tollway.worker.answers import OK
from tollway.worker.connection import Link
from tollway.worker.group_commit import SPLIT_ABOVE, GroupCommit, Unit
from tollway.worker.line import Line
from worker.harness import run

STEPS = 4


class Recorder(GroupCommit):
    """Answers without a database, and keeps what each call carried."""

    def __init__(self) -> None:
        super().__init__(
            Line(Link("", "nobody")),
            queue="q",
            worker="w",
            instance=uuid4(),
            version=None,
            lease=60,
            remember=True,
            wanted=lambda: 1,
            claimed=lambda *_: None,
        )
        self.carried: list[list[str]] = []

    async def _call(self, line: Line, units: list[Unit], quantity: int) -> None:
        self.carried.append([unit.task_id for unit in units])
        await asyncio.sleep(0)  # the database takes its time: those answered before hand over their next step
        await asyncio.sleep(0)
        for unit in units:
            unit.future.set_result({"status": OK})


async def task(commit: GroupCommit, name: str, steps: int) -> None:
    for _ in range(steps):
        await commit.submit(name, 1, ())


async def carried(tasks: int, steps: int = STEPS, *, claim: bool = False) -> list[list[str]]:
    commit = Recorder()
    working = [asyncio.ensure_future(task(commit, str(number), steps)) for number in range(tasks)]
    await asyncio.sleep(0)  # all have handed over their first step
    if claim:
        commit.claim_soon()
    sending = asyncio.ensure_future(commit.run())
    await asyncio.gather(*working)
    commit.close()
    await sending
    return commit.carried


@pytest.mark.parametrize("tasks", [SPLIT_ABOVE + 2, 4 * SPLIT_ABOVE])
def test_two_halves_take_turns_and_nobody_is_left_out(tasks: int) -> None:
    async def scenario() -> None:
        calls = await carried(tasks)
        first, second = calls[:2]
        assert [len(first), len(second)] == [tasks // 2, tasks // 2]
        assert not set(first) & set(second)
        assert calls == [first, second] * STEPS

    run(scenario())


def test_a_crowd_goes_in_parts_and_in_its_order() -> None:
    async def scenario() -> None:
        calls = await carried(5 * SPLIT_ABOVE + 1, steps=1)
        assert [name for call in calls for name in call] == [str(number) for number in range(5 * SPLIT_ABOVE + 1)]
        assert max(map(len, calls)) == (5 * SPLIT_ABOVE + 2) // 2

    run(scenario())


def test_few_go_together_and_so_does_what_is_said_with_a_claim() -> None:
    async def scenario() -> None:
        few = SPLIT_ABOVE // 2
        assert [len(call) for call in await carried(few)] == [few] * STEPS
        assert len((await carried(3 * SPLIT_ABOVE, claim=True))[0]) == 3 * SPLIT_ABOVE

    run(scenario())
