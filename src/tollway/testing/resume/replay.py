"""Do the executions of one run agree? After a crash or a wait the workflow's code runs again from its first line."""

from __future__ import annotations

from collections.abc import Sequence

from tollway.testing.resume.differences import Difference, Kind
from tollway.testing.resume.recorder import Call, Execution, Recorder


def disagreements(recorder: Recorder) -> list[Difference]:
    """The first disagreement of each task."""
    return [found for path, executions in recorder.executions.items() for found in _of_task(path, executions)[:1]]


def _of_task(path: str, executions: Sequence[Execution]) -> list[Difference]:
    known: list[Call] = []
    inputs: dict[str, dict[str, str]] = {}
    whose = f" of {path}" if path else ""
    found: list[Difference] = []
    for execution in executions:
        calls = [call for call in execution.calls if not call.parallel]
        found += _order(known, calls, whose, ended=execution.ended)
        for call in execution.calls:
            found += _inputs(call, inputs.setdefault(call.step, call.inputs), whose)
        known = max(known, calls, key=len)
    return found


def _order(known: Sequence[Call], calls: Sequence[Call], whose: str, *, ended: bool) -> list[Difference]:
    for before, now in zip(known, calls, strict=False):
        if before.step != now.step:
            text = f"run again, the workflow{whose} asked for step {now.step!r}, where it had asked for step {before.step!r}"
            return [Difference(Kind.ORDER, text)]
    if ended and len(calls) < len(known):
        missing = known[len(calls)].step
        return [Difference(Kind.ORDER, f"run again, the workflow{whose} ended without asking for step {missing!r}, as it had before")]
    return []


def _inputs(call: Call, before: dict[str, str], whose: str) -> list[Difference]:
    return [
        Difference(Kind.INPUT, f"run again, step {call.step!r}{whose} was given {name} = {now}; before, {before[name]}")
        for name, now in call.inputs.items()
        if name in before and before[name] != now
    ]
