"""A step that is all there is to say goes the shortest way; whatever else comes of it, worker_sync has the say."""

from __future__ import annotations

from typing import LiteralString

import pytest

from tollway.workflow import Context, Tollway
from worker.harness import Database, run, work_off

REPLACED: LiteralString = """
alter function absurd.record_step rename to record_step_itself;
create table public.seen (step text, recorded boolean);
grant all on public.seen to public;
create function absurd.record_step(text, uuid, bigint, text, jsonb, double precision) returns boolean language plpgsql as $$
declare v_recorded boolean := absurd.record_step_itself($1, $2, $3, $4, $5, $6);
begin
  insert into public.seen values ($4, v_recorded);
  OUTCOME
end $$
"""
OUTCOMES: dict[str, LiteralString] = {
    "told": "return v_recorded;",
    "denied": "return false;",  # it happened, and the worker does not know
    "undone": "raise exception 'no' using errcode = '40001';",
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_lone_step_is_recorded_once_whatever_becomes_of_its_answer(app: Tollway, look: Database, outcome: str) -> None:
    look.connection.execute(REPLACED.replace("OUTCOME", OUTCOMES[outcome]))
    bodies = []

    async def body(n: int) -> int:
        bodies.append(n)
        return n

    @app.workflow(name="three steps")
    async def three_steps(ctx: Context) -> list[int]:
        return [await ctx.step(f"step {n}", body, n) for n in range(3)]

    async def scenario() -> None:
        handle = await app.start(three_steps)
        await work_off(app)
        assert await handle.result(timeout=10) == [0, 1, 2]

    run(scenario())

    assert bodies == [0, 1, 2]
    assert look.rows("select checkpoint_name, state from absurd.checkpoint order by 1") == [(f"step {n}", n) for n in range(3)]
    if outcome != "undone":  # which is undone with it
        # not each: a worker that looks for work at that moment says both in one worker_sync
        assert {recorded for _, recorded in look.rows("select * from public.seen")} == {True}
    assert {row[0] for row in look.violations()} == {"function_is_ours", "function_is_unaltered"}, "of the function that was replaced"


def test_a_worker_of_a_lost_claim_is_told_by_worker_sync(app: Tollway, look: Database) -> None:
    seen: list[str] = []

    @app.workflow(name="robbed")
    async def robbed(ctx: Context) -> None:
        await ctx.step("first", taken_over)
        seen.append("not to be reached")

    async def taken_over() -> None:
        seen.append("body")
        look.rows("select absurd.cancel_task('default', %s)", look.one("select task_id from absurd.task"))

    async def scenario() -> None:
        await app.start(robbed)
        await work_off(app)

    run(scenario())

    assert seen == ["body"]
    assert look.rows("select from absurd.checkpoint") == []
    assert look.violations() == []
