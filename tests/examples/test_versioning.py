"""Both shapes run: those that began before the release, and those that began after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tollway import Context, Tollway
from tollway.errors import TaskFailed


def test_old_and_new_end_each_by_its_own_code(example: Any, tollway_env: Any) -> None:
    renewal = example("versioning", "renewal")
    tollway_env.bind(renewal.app)

    assert tollway_env.run("renew", "ada") == ["reminded ada"]
    assert tollway_env.run(renewal.renew, "ada") == ["offered ada a discount", "reminded ada"]
    versions = tollway_env.db.rows("select workflow_version from absurd.workflow_run order by 1")
    assert [row[0] for row in versions] == ["1", "2"]


class Release:
    """A workflow whose body the test changes while it sleeps."""

    def __init__(self, env: Any, old: Callable[..., Any], new: Callable[..., Any]) -> None:
        app = Tollway(queue="changing")
        body = [old]

        @app.workflow(name="changes", max_attempts=1)
        async def changes(ctx: Context) -> Any:
            return await body[0](ctx)

        env.bind(app)
        self.handle = env.start(changes)
        env.work_off()
        body[0] = new
        env.advance(timedelta(days=2))

    def end(self, env: Any) -> Any:
        return env.finish(self.handle)


def old_body(called: list[str]) -> Callable[..., Any]:
    async def old(ctx: Context) -> None:
        await ctx.step("one", called.append, "one")
        await ctx.step("two", called.append, "two")
        await ctx.sleep(86400, name="night")
        await ctx.sleep(60)

    return old


def test_a_renamed_step_runs_again_and_a_removed_one_is_ignored(tollway_env: Any) -> None:
    called: list[str] = []

    async def new(ctx: Context) -> str:
        await ctx.step("two", called.append, "never")
        await ctx.step("uno", called.append, "uno")
        await ctx.sleep(86400, name="night")
        return "ended"

    assert Release(tollway_env, old_body(called), new).end(tollway_env) == "ended"
    assert called == ["one", "two", "uno"]


def test_a_named_sleep_is_found_behind_a_new_step_and_a_new_sleep(tollway_env: Any) -> None:
    called: list[str] = []

    async def new(ctx: Context) -> int:
        await ctx.sleep(3600, name="new")
        await ctx.step("new step", called.append, "new step")
        before = await ctx.now(name="before")
        await ctx.sleep(86400, name="night")
        return (await ctx.now(name="after") - before).seconds

    assert Release(tollway_env, old_body(called), new).end(tollway_env) == 0
    assert called == ["one", "two", "new step"]


def test_an_unnamed_sleep_at_another_place_stops_it(tollway_env: Any) -> None:
    async def old(ctx: Context) -> None:
        await ctx.sleep(86400)
        await ctx.step("one", list)

    async def new(ctx: Context) -> None:
        await ctx.step("zero", list)
        await ctx.sleep(86400)

    with pytest.raises(TaskFailed, match="sleep") as failed:
        Release(tollway_env, old, new).end(tollway_env)
    assert failed.value.reason["name"] == "OrderChanged"


def test_a_record_that_does_not_fit_a_new_return_type_is_refused(tollway_env: Any) -> None:
    async def said() -> str:
        return "seven"

    async def number() -> int:
        return 7

    async def old(ctx: Context) -> None:
        await ctx.step("value", said)
        await ctx.sleep(86400, name="night")

    async def new(ctx: Context) -> None:
        await ctx.step("value", number)

    with pytest.raises(TaskFailed, match="value") as failed:
        Release(tollway_env, old, new).end(tollway_env)
    assert failed.value.reason["name"] == "InvalidPayload"
