"""What does not fit is refused with a class of ours, where it was given, and before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from tollway import Context, Tollway
from tollway.errors import InvalidName, InvalidOption

NOBODY = UUID(int=0)


def declared(app: Tollway) -> Any:
    @app.workflow(name="echo")
    async def echo(ctx: Context, n: int) -> int:
        return n

    return echo


def takes_a_move(ctx: Context, move: dict[str, Any]) -> None:
    """A handler."""


def yields(ctx: Context) -> Iterator[int]:
    yield 1


async def yields_later(ctx: Context) -> AsyncIterator[int]:
    yield 1


def named_context(*, ctx: Context) -> None: ...


def two_files(app: Tollway) -> None:
    """Of modules that each call their only workflow `run`."""
    for name in ("a", "b"):
        module = {"__name__": name}
        exec(compile("def run(ctx): return 1", f"/app/{name}.py", "exec"), module)
        app.workflow(module["run"])  # type: ignore[call-overload]


CASES: list[tuple[str, Callable[[Tollway], Any], str]] = [
    ("a dsn that is a number", lambda app: Tollway(7), "dsn is 7"),  # type: ignore[arg-type]
    ("a dsn that is none", lambda app: Tollway("nonsense").emit_event_sync("x"), "the connection string is not one"),
    ("a dsn with an unknown option", lambda app: Tollway("postgresql://u@h/d?foo=bar").emit_event_sync("x"), "foo"),
    ("a queue that is a number", lambda app: Tollway(queue=7), "a queue name must be text"),  # type: ignore[arg-type]
    ("a queue without a name", lambda app: Tollway(queue=""), "a queue name is empty"),
    ("connect that is a number", lambda app: Tollway(connect=7), "connect is 7"),
    ("a number as a workflow", lambda app: app.workflow(7), "7 is declared as a workflow"),  # type: ignore[call-overload]
    ("a class as a workflow", lambda app: app.workflow(dict), "a workflow is a function|declared as a workflow"),
    ("a workflow as a workflow", lambda app: app.workflow(declared(app)), "workflow 'echo' is declared as a workflow"),
    ("a lambda without a name", lambda app: app.workflow(lambda ctx: 1), "has no name of its own"),
    ("a partial without a name", lambda app: app.workflow(partial(takes_a_move, move={})), "has no name of its own"),
    ("a generator", lambda app: app.workflow(yields), "workflow yields is a generator"),
    ("an asynchronous generator", lambda app: app.workflow(yields_later), "workflow yields_later is a generator"),
    ("a context by its name only", lambda app: app.workflow(named_context), "workflow named_context takes no context"),
    ("two of one name in two files", two_files, "two workflows are named 'run': a.run and b.run"),
    ("a version that is a number", lambda app: app.workflow(version=3)(takes_a_move), "version is 3"),  # type: ignore[call-overload]
    ("hooks without parentheses", lambda app: app.on_failure(takes_a_move), "no workflow whose moves"),  # type: ignore[arg-type]
    ("the same for completion", lambda app: app.on_completion(takes_a_move), "no workflow whose moves"),  # type: ignore[arg-type]
    ("the same for cancellation", lambda app: app.on_cancellation(takes_a_move), "no workflow whose moves"),  # type: ignore[arg-type]
    ("a handle of no id", lambda app: app.handle_sync("abc"), "'abc' is not a task id"),
    ("a handle of None", lambda app: app.handle(None), "None is not a task id"),  # type: ignore[arg-type]
    ("a handle on a number's queue", lambda app: app.handle(NOBODY, queue=7), "a queue name must be text"),  # type: ignore[arg-type]
    ("a reason that is a number", lambda app: app.handle_sync(NOBODY).cancel(7), "reason is 7"),  # type: ignore[arg-type]
    ("a reason with NUL", lambda app: app.handle_sync(NOBODY).cancel("a\0"), "without NUL|reason is"),
    ("many starts of a text", lambda app: app.start_many_sync(declared(app), "ab"), "the inputs are a str"),
    ("many starts of a number", lambda app: app.start_many_sync(declared(app), 5), "the inputs are a int"),  # type: ignore[arg-type]
    (
        "many starts with one key",
        lambda app: app.start_many_sync(declared(app), [1], idempotency_key="x"),  # type: ignore[arg-type]
        "idempotency_key is 'x'",
    ),
    ("an event on a number's queue", lambda app: app.emit_event_sync("x", queue=5), "a queue name must be text"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_it_is_refused_with_what_to_do(call: Callable[[Tollway], Any], says: str) -> None:
    with pytest.raises((InvalidOption, InvalidName), match=says) as refused:
        call(Tollway("host=/nowhere"))

    assert refused.value.hint


def test_a_hook_says_how_it_is_written() -> None:
    with pytest.raises(InvalidOption) as refused:
        Tollway().on_failure(takes_a_move)  # type: ignore[arg-type]

    assert refused.value.hint == "write @app.on_failure() with its parentheses."


def test_the_text_of_an_id_serves_as_one() -> None:
    assert Tollway().handle(str(NOBODY)).id == NOBODY


def test_a_partial_and_an_object_are_workflows_once_they_have_a_name() -> None:
    class Greets:
        async def __call__(self, ctx: Context, name: str) -> str:
            return name

    app = Tollway("host=/nowhere")
    greets = app.workflow(name="greets")(Greets())
    moved = app.workflow(name="moved")(partial(takes_a_move, move={}))

    assert (greets.is_async, greets.result.name) == (True, "str")
    assert (moved.is_async, moved.name) == (False, "moved")


def test_a_module_that_is_run_as_main_and_imported_declares_its_workflow_twice() -> None:
    app = Tollway("host=/nowhere")
    for name in ("__main__", "orders"):
        module = {"__name__": name}
        exec(compile("def run(ctx): return 1", "/app/orders.py", "exec"), module)
        app.workflow(module["run"])  # type: ignore[call-overload]

    assert app.registry.names() == ["run"]
