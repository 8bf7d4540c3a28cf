"""Control flow that unwinds a handler.

These derive from `BaseException`, so that a handler's `except Exception` cannot swallow them: a workflow that
was suspended, or whose lease is gone, must stop at that very line.
"""

from __future__ import annotations

from tollway.workflow.operations import Operation


class ControlFlow(BaseException):
    """A handler is being unwound; not an error, and never reported as one."""


class Suspended(ControlFlow):
    """The task sleeps, durably: it will be claimed again and replayed up to here.

    `operations` is what puts it to sleep, handed over once the handler is unwound, so that nothing of this
    execution runs beside the next one. It is empty when the database has suspended the task already.
    """

    def __init__(self, operations: tuple[Operation, ...] = ()) -> None:
        super().__init__()
        self.operations = operations


class Dropped(ControlFlow):
    """The task is no longer ours (lease lost, cancelled, released): stop, and report nothing."""
