"""A started child, as its parent in a thread holds it.

GENERATED from child.py by tools/generate_sync.py: change that file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from tollway.errors import WrongState
from tollway.workflow.definition import Workflow
from tollway.workflow.durations import Duration

if TYPE_CHECKING:
    from tollway.workflow.sync_context import SyncContext


class SyncChild:
    """Refers to a child's task."""

    __slots__ = ("_context", "step", "workflow")

    def __init__(self, context: SyncContext, step: str, workflow: Workflow) -> None:
        self._context = context
        self.step = step
        self.workflow = workflow

    @property
    def id(self) -> UUID:
        """The child's task id. Raises: WrongState, before the transaction that starts it was committed."""
        return UUID(self._started()["task_id"])

    @property
    def queue(self) -> str:
        """The child's queue. Raises: as `id`."""
        return str(self._started()["queue"])

    @property
    def name(self) -> str:
        """How its parent calls it."""
        return self.step.removeprefix("$child:")

    def result(self, *, timeout: Duration | None = None) -> Any:
        """Suspend until the child has ended, and return its result; holds no worker meanwhile.

        Raises:
            ChildFailed: it failed or was cancelled. Recorded, so every later execution raises it too.
            AwaitTimedOut: `timeout` passed first. The child goes on; this, too, is recorded.
            DuplicateStep: its result was asked for before in this attempt.
        """
        return self._context._await_child(self, timeout)  # noqa: SLF001 - the two are one thing in two files

    def _started(self) -> Any:
        recorded = self._context.record_of(self.step)
        if recorded is None:
            raise WrongState(
                f"child {self.name} is not started yet", hint="it starts when the transaction commits: use it after ctx.transaction."
            )
        return recorded["state"]
