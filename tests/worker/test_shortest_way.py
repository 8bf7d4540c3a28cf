"""A step that is all there is to say goes the shortest way; whatever else comes of it, worker_sync has the say."""

from __future__ import annotations

from typing import LiteralString

import pytest

from tollway.worker.group_commit import Unit
from tollway.worker.shortest_way import MANY, statement
from tollway.workflow import Context, Tollway
from tollway.workflow.operations import Operation, checkpoint, complete, emit
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


MANY_REPLACED: LiteralString = """
alter function absurd.record_steps rename to record_steps_itself;
create table public.seen (steps integer, recorded boolean);
grant all on public.seen to public;
create function absurd.record_steps(text, uuid[], bigint[], text[], jsonb, double precision[]) returns boolean language plpgsql as $$
declare v_recorded boolean := absurd.record_steps_itself($1, $2, $3, $4, $5, $6);
begin
  insert into public.seen values (cardinality($2), v_recorded);
  OUTCOME
end $$
"""


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_steps_of_many_are_recorded_once_whatever_becomes_of_their_answer(app: Tollway, look: Database, outcome: str) -> None:
    look.connection.execute(MANY_REPLACED.replace("OUTCOME", OUTCOMES[outcome]))
    bodies: list[int] = []

    async def body(n: int) -> int:
        bodies.append(n)
        return n

    @app.workflow(name="two steps")
    async def two_steps(ctx: Context, first: int) -> list[int]:
        return [await ctx.step(f"step {n}", body, first + n) for n in range(2)]

    async def scenario() -> None:
        handles = await app.start_many(two_steps, [10 * n for n in range(20)])
        await work_off(app)
        for n, handle in enumerate(handles):
            assert await handle.result(timeout=10) == [10 * n, 10 * n + 1]

    run(scenario())

    assert sorted(bodies) == sorted(10 * n + m for n in range(20) for m in range(2))
    assert look.rows(
        "select (t.params #>> '{}')::integer, c.checkpoint_name, c.state"
        " from absurd.checkpoint c join absurd.task t using (task_id) order by 3"
    ) == [(10 * n, f"step {m}", 10 * n + m) for n in range(20) for m in range(2)]
    if outcome != "undone":
        assert look.one("select max(steps) from public.seen where recorded") > 1
    assert {row[0] for row in look.violations()} == {"function_is_ours", "function_is_unaltered"}, "of the function that was replaced"


def unit(task_id: str, *operations: Operation) -> Unit:
    return Unit(task_id, 1, operations, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "units",
    {
        "two steps of one task": [unit("a", checkpoint("s", 1)), unit("a", checkpoint("t", 1))],
        "an end": [unit("a", checkpoint("s", 1)), unit("b", complete(1))],
        "two things of a task": [unit("a", checkpoint("s", 1), emit("e", 1)), unit("b", checkpoint("s", 1))],
        "large results": [unit("a", checkpoint("s", "x" * 600)), unit("b", checkpoint("s", "x" * 600))],
        "nothing": [],
    }.values(),
)
def test_what_is_not_plainly_steps_goes_to_worker_sync_at_once(units: list[Unit]) -> None:
    assert statement("q", units) is None


def test_steps_go_in_the_order_of_their_tasks() -> None:
    many = statement("q", [unit("b", checkpoint('a "b"', {"x": 1}, 0.5)), unit("a", checkpoint("\\", None))])
    assert many == (MANY, ("q", "{a,b}", "{1,1}", '{"\\\\","a \\"b\\""}', '[null,{"x":1}]', "{null,0.5}"))


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
