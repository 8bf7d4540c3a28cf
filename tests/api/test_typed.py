"""Typed arguments and results: refused before anything is stored, back as types."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.test_steps import result_of
from tollway import Tollway
from tollway.errors import InvalidPayload, TaskFailed
from worker.harness import Database, run, work_off


def an_order(cases: Any) -> Any:
    return cases.Order(7, [cases.Item(sku="a", count=1), cases.Item(sku="b", count=2)], timedelta(days=2))


def test_types_come_back_as_types_on_each_execution(app: Tollway, look: Database, cases: Any, db: Any) -> None:
    notes: list[Any] = []
    workflow = cases.typed(app, notes)
    order, receipt = an_order(cases), cases.Receipt(7, ("a", "b"))

    async def scenario() -> None:
        handle = await app.start(workflow, order, kwargs={"express": True})
        await work_off(app)
        db.clock.advance(timedelta(seconds=61))
        await work_off(app)
        assert await handle.result(timeout=5) == receipt

    run(scenario())
    assert notes == [(order, True, receipt)]


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        (
            ({"id": 1, "items": [{"sku": "a", "count": "many"}], "due": 5},),
            {},
            r"order of .*'ships'.*items\.0\.count: Input",
        ),
        (({"id": 1, "items": []},), {}, r"due: Field required"),
        ((), {}, "missing a required argument: 'order'"),
        (({"id": 1, "items": [], "due": 5},), {"express": "perhaps"}, "express of workflow"),
        (({"id": 1, "items": [], "due": 5},), {"fast": True}, "unexpected keyword argument 'fast'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_stored(
    app: Tollway, look: Database, cases: Any, args: tuple[Any, ...], kwargs: dict[str, Any], problem: str
) -> None:
    workflow = cases.typed(app, [])

    async def scenario() -> None:
        with pytest.raises(InvalidPayload, match=problem):
            await app.start(workflow, *args, kwargs=kwargs)

    run(scenario())
    assert look.one("select count(*) from absurd.task") == 0


def test_a_stored_input_that_no_longer_fits_says_which_field(app: Tollway, look: Database, cases: Any) -> None:
    cases.typed(app, [])
    params = '{"order": {"id": 1, "items": [{"sku": 5}]}}'
    stored = look.one("select task_id from absurd.spawn_task('default', 'ships', %s::jsonb, '{\"max_attempts\": 1}')", params)

    async def scenario() -> None:
        await work_off(app)
        with pytest.raises(TaskFailed, match=r"as it was stored, does not fit Order.*items\.0\.count: Field required; due: Field required"):
            await app.handle(stored).result(timeout=5)

    run(scenario())


def test_a_result_that_does_not_fit_fails_at_once(app: Tollway, look: Database, cases: Any) -> None:
    with pytest.raises(TaskFailed, match="result of workflow 'lies' does not fit Receipt: order: Input should be a valid integer"):
        result_of(app, cases.wrong_result(app))
    assert look.one("select attempt from absurd.task") == 1
