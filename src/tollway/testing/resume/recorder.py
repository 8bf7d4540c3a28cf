"""What happened in one run, its killed worker included: each execution's calls, and how often each body ran."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from inspect import isawaitable, iscoroutinefunction
from types import CodeType
from typing import Any

from tollway.testing.resume.inputs import inputs_of, text_of
from tollway.testing.resume.paths import Paths
from tollway.workflow.typed import annotations_of, result_type

Pins = Mapping[tuple[str, str], Any]
"""(path, step) -> the stored value that its body is to give in this run."""
Key = tuple[str, str]


class Recorder:
    """Of one run. `pins` are the values of steps that may differ from run to run: the first run's."""

    def __init__(self, paths: Paths, pins: Pins, varies: frozenset[str]) -> None:
        self.paths = paths
        self.executions: dict[str, list[Execution]] = defaultdict(list)
        self.bodies: Counter[Key] = Counter()
        """How often a body ran; of a transaction, how often it was committed."""
        self.records: Counter[Key] = Counter()
        """How often the database said that it has recorded a step."""
        self._pins = pins
        self._varies = varies

    def begin(self, task_id: object, handler: CodeType | None) -> Execution:
        execution = Execution(self, self.paths.of(task_id), handler)
        self.executions[execution.path].append(execution)
        return execution

    def pin_of(self, path: str, step: str) -> Any:
        """The value that a step is to have, or `UNPINNED`."""
        named = step in self._varies or step.partition("[")[0] in self._varies
        return self._pins.get((path, step), UNPINNED) if named or step.startswith("$") else UNPINNED


UNPINNED = object()


@dataclass(slots=True)
class Call:
    """A step that an execution asked for."""

    step: str
    parallel: bool
    inputs: dict[str, str] = field(default_factory=dict)


class Execution:
    """One time that a workflow's function ran, from its first line to its end, its suspension or its worker's."""

    def __init__(self, recorder: Recorder, path: str, handler: CodeType | None) -> None:
        self.path = path
        self.calls: list[Call] = []
        self.ended = False
        """It returned, or raised: it asks for nothing more."""
        self.recorder = recorder
        self._handler = handler
        self._inputs: dict[str, dict[str, str]] = {}
        self._home = _where()

    def given(self, step: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """The step that is entered next has these inputs."""
        self._inputs[step] = inputs_of(fn, args, kwargs, self._handler)

    def given_value(self, step: str, value: Any) -> None:
        text = text_of(value)
        self._inputs[step] = {} if text is None else {"payload": text}

    def entered(self, step: str, *, parallel: bool) -> None:
        """The order of what runs in other tasks or threads than the handler itself says nothing."""
        self.calls.append(Call(step, parallel or _where() != self._home, self._inputs.pop(step, {})))

    def body(self, step: str, fn: Callable[..., Any], *, counted: bool = True) -> Callable[..., Any]:
        """The body, counted each time it runs; its value, if the step may differ from run to run, is the first run's."""
        pin = self.recorder.pin_of(self.path, step)
        settled = None if pin is UNPINNED else result_type(fn).decode(pin, f"the result of step {step!r}")

        def count() -> None:
            if counted:
                self.recorder.bodies[self.path, step] += 1

        if iscoroutinefunction(fn):

            async def run_async(*args: Any, **kwargs: Any) -> Any:
                count()
                value = await fn(*args, **kwargs)
                return value if pin is UNPINNED else settled

            return _as(fn, run_async)

        def run(*args: Any, **kwargs: Any) -> Any:
            count()
            value = fn(*args, **kwargs)
            if pin is UNPINNED:
                return value
            return _then(value, settled) if isawaitable(value) else settled

        return _as(fn, run)


async def _then(ran: Awaitable[Any], value: Any) -> Any:
    await ran
    return value


def _as(fn: Callable[..., Any], body: Callable[..., Any]) -> Callable[..., Any]:
    """The body with the step policy and the annotations of the function that it stands for."""
    body = wraps(fn)(body)
    # resolved: two modules' `Order` are two types
    body.__annotations__ = annotations_of(fn) if getattr(fn, "__annotations__", None) else {}
    return body


def _where() -> tuple[int, int]:
    """The thread, and the task in it."""
    try:
        return threading.get_ident(), id(asyncio.current_task())
    except RuntimeError:
        return threading.get_ident(), 0
