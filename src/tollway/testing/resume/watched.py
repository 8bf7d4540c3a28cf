"""Contexts that note what the workflow asks of them, and otherwise are the ones it always gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import CodeType
from typing import Any

from tollway.testing.resume.mortal import business_step
from tollway.testing.resume.recorder import UNPINNED, Execution, Recorder
from tollway.workflow import Context, SyncContext, Workflow
from tollway.workflow.definition import Registry
from tollway.workflow.journal import Recorded


class WatchedContext(Context):
    """An asynchronous workflow's."""

    __slots__ = ("_watch",)

    def __init__(self, of: Context, watch: Execution) -> None:
        super().__init__(of._port, of._identity, of._journal, of._services, of._policy)  # noqa: SLF001 - a copy of its own class
        self._watch = watch

    def options(self, **policy: Any) -> Context:
        return WatchedContext(super().options(**policy), self._watch)

    def _enter(self, step: str) -> Recorded | None:
        self._watch.entered(step, parallel=self._journal.parallel > 0)
        return super()._enter(step)

    async def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self._watch.given(name, fn, args, kwargs)
        return await super().step(name, self._watch.body(name, fn), *args, **kwargs)

    async def transaction(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self._watch.given(name, fn, args, kwargs)
        with business_step(self._watch, name):
            return await super().transaction(name, self._watch.body(name, fn, counted=False), *args, **kwargs)

    async def emit_event(self, name: str, payload: Any = None) -> None:
        self._watch.given_value(f"$emit:{name}", payload)
        await super().emit_event(name, payload)

    async def _value(self, kind: str, name: str | None, make: Callable[[], Any]) -> Any:
        return await super()._value(kind, name, _pinned(self, kind, name, make, self._watch))


class WatchedSyncContext(SyncContext):
    """A plain workflow's."""

    __slots__ = ("_watch",)

    def __init__(self, of: SyncContext, watch: Execution) -> None:
        super().__init__(of._port, of._identity, of._journal, of._services, of._policy)  # noqa: SLF001 - a copy of its own class
        self._watch = watch

    def options(self, **policy: Any) -> SyncContext:
        return WatchedSyncContext(super().options(**policy), self._watch)

    def _enter(self, step: str) -> Recorded | None:
        self._watch.entered(step, parallel=self._journal.parallel > 0)
        return super()._enter(step)

    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self._watch.given(name, fn, args, kwargs)
        return super().step(name, self._watch.body(name, fn), *args, **kwargs)

    def transaction(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self._watch.given(name, fn, args, kwargs)
        with business_step(self._watch, name):
            return super().transaction(name, self._watch.body(name, fn, counted=False), *args, **kwargs)

    def emit_event(self, name: str, payload: Any = None) -> None:
        self._watch.given_value(f"$emit:{name}", payload)
        super().emit_event(name, payload)

    def _value(self, kind: str, name: str | None, make: Callable[[], Any]) -> Any:
        return super()._value(kind, name, _pinned(self, kind, name, make, self._watch))


def _pinned(
    context: WatchedContext | WatchedSyncContext, kind: str, name: str | None, make: Callable[[], Any], watch: Execution
) -> Callable[[], Any]:
    """`ctx.now()` and its like are drawn anew in each run, and are meant to be: later runs get what the first one drew."""

    def value() -> Any:
        # a value without a name is made right after its step was entered, and never in a parallel branch
        step = f"${kind}:{name}" if name is not None else context._journal.before  # noqa: SLF001 - of the class above
        pin = watch.recorder.pin_of(watch.path, step or "")
        return make() if pin is UNPINNED else pin["value"]

    return value


def watched(registry: Registry, recorder: Recorder) -> Registry:
    """The same workflows, hooks and connections; each execution is noted in `recorder`."""
    copy = Registry()
    for name in registry.names():
        copy.add(_watched(registry.get(name), recorder))
    copy.hooks = registry.hooks
    copy.connect = registry.connect
    return copy


def _watched(workflow: Workflow, recorder: Recorder) -> Workflow:
    fn = workflow.fn
    code: CodeType | None = getattr(fn, "__code__", None)

    async def handle_async(ctx: Context, *args: Any, **kwargs: Any) -> Any:
        execution = recorder.begin(ctx.task_id, code)
        result = await fn(WatchedContext(ctx, execution), *args, **kwargs)
        execution.ended = True
        return result

    def handle(ctx: SyncContext, *args: Any, **kwargs: Any) -> Any:
        execution = recorder.begin(ctx.task_id, code)
        result = fn(WatchedSyncContext(ctx, execution), *args, **kwargs)
        execution.ended = True
        return result

    return replace(workflow, fn=handle_async if workflow.is_async else handle)
