"""Every error Tollway raises, one class per SQLSTATE.

TollwayError
├── DatabaseError            what the database refused
│   ├── TaskCancelled        AB001   ├── IllegalTransition   TW101   ├── InvalidOption     TW301
│   ├── RunFailed            AB002   ├── DerivedRecordWrite  TW102   ├── PayloadTooLarge   TW302
│   ├── InvalidRetryStrategy AB003   ├── ReadOnlyView        TW103   ├── PayloadTooDeep    TW303
│   ├── WrongState           P0001   ├── RowsLeaveOnlyThroughCleanup TW104
│   ├── UnknownQueue         42P01   ├── LeaseLost           TW201   ├── InvalidName       TW304
│   └── KeyCleanedUp         40001   └── CheckpointConflict  TW202   └── InvalidPayload    TW305
├── ForeignSchema            TW401, SchemaMismatch TW402
├── DatabaseUnreachable      TW501
├── WorkflowNotRegistered    TW502, DuplicateStep TW503
├── OrderChanged             TW504, StepTimedOut TW505
├── TaskFailed               a task whose result was awaited failed
│   └── ChildFailed          and it was a child of this workflow
├── NonRetryable             yours to raise: no further attempt is made
└── AwaitTimedOut            an event or a result did not come in time
"""

from __future__ import annotations

from typing import Any, ClassVar

import psycopg

__all__ = [
    "AwaitTimedOut",
    "CheckpointConflict",
    "ChildFailed",
    "DatabaseError",
    "DatabaseUnreachable",
    "DerivedRecordWrite",
    "DuplicateStep",
    "EmbeddedUnavailable",
    "ForeignSchema",
    "IllegalTransition",
    "InvalidName",
    "InvalidOption",
    "InvalidPayload",
    "InvalidRetryStrategy",
    "KeyCleanedUp",
    "LeaseLost",
    "NonRetryable",
    "OrderChanged",
    "PayloadTooDeep",
    "PayloadTooLarge",
    "ReadOnlyView",
    "RowsLeaveOnlyThroughCleanup",
    "RunFailed",
    "SchemaMismatch",
    "StepTimedOut",
    "TaskCancelled",
    "TaskFailed",
    "TollwayError",
    "UnknownQueue",
    "WorkflowNotRegistered",
    "WrongState",
    "from_database",
]

NO_SCHEMA = "3F000"


class TollwayError(Exception):
    """What went wrong, with its values; `hint` says what to do."""

    sqlstate: ClassVar[str | None] = None
    registry: ClassVar[dict[str, type[TollwayError]]] = {}

    def __init_subclass__(cls, sqlstate: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if sqlstate is not None:
            cls.sqlstate = sqlstate
            TollwayError.registry[sqlstate] = cls

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        code = f" ({self.sqlstate})" if self.sqlstate else ""
        return f"{self.message}{code}"


class DatabaseError(TollwayError):
    """The database refused the call."""


class TaskCancelled(DatabaseError, sqlstate="AB001"):
    """The task was cancelled; stop the work."""


class RunFailed(DatabaseError, sqlstate="AB002"):
    """The run has failed already; a later one may be on its way."""


class InvalidRetryStrategy(DatabaseError, sqlstate="AB003"):
    """The retry strategy is not one: kind none, fixed or exponential."""


class WrongState(DatabaseError, sqlstate="P0001"):
    """The call does not fit the state of the task, or an argument is missing."""


class UnknownQueue(DatabaseError, sqlstate="42P01"):
    """The queue was never created."""


class KeyCleanedUp(DatabaseError, sqlstate="40001"):
    """The idempotency key was being cleaned up meanwhile: call again."""


class IllegalTransition(DatabaseError, sqlstate="TW101"):
    """The gate refused a move that is not in absurd.transition."""


class DerivedRecordWrite(DatabaseError, sqlstate="TW102"):
    """A record that the gate keeps was written by hand."""


class ReadOnlyView(DatabaseError, sqlstate="TW103"):
    """The per-queue relations are views; the hint names the function to call."""


class RowsLeaveOnlyThroughCleanup(DatabaseError, sqlstate="TW104"):
    """Rows leave only through clean-up and drop_queue."""


class LeaseLost(DatabaseError, sqlstate="TW201"):
    """Another worker owns this run now, or nobody; stop and discard the work."""


class CheckpointConflict(DatabaseError, sqlstate="TW202"):
    """The step has another value already; a checkpoint never changes."""


class InvalidOption(DatabaseError, sqlstate="TW301"):
    """An option has a wrong type or is out of range; the message names it."""


class PayloadTooLarge(DatabaseError, sqlstate="TW302"):
    """A document is over the queue's limit (1 MiB unless set otherwise)."""


class PayloadTooDeep(DatabaseError, sqlstate="TW303"):
    """A document is nested deeper than 64 levels."""


class InvalidName(DatabaseError, sqlstate="TW304"):
    """A queue name has 1 to 57 bytes, every other name 1 to 255, none a NUL."""


class InvalidPayload(DatabaseError, sqlstate="TW305"):
    """A value is not JSON that the database stores unchanged; the message names its path."""


class ForeignSchema(TollwayError, sqlstate="TW401"):
    """Schema absurd is here, and Tollway did not make it."""


class SchemaMismatch(TollwayError, sqlstate="TW402"):
    """The database's schema is missing, or behind or ahead of this release."""


class DatabaseUnreachable(TollwayError, sqlstate="TW501"):
    """The database does not answer."""


class WorkflowNotRegistered(TollwayError, sqlstate="TW502"):
    """No workflow of that name is registered with the app."""


class DuplicateStep(TollwayError, sqlstate="TW503"):
    """A step name was used twice in one attempt."""


class OrderChanged(TollwayError, sqlstate="TW504"):
    """A record that is found by its order belongs to another place in the code."""


class StepTimedOut(TollwayError, TimeoutError, sqlstate="TW505"):
    """A step's body ran longer than its timeout."""


class NonRetryable(TollwayError):
    """Raise it, or a subclass, in a step or a workflow: the failure is final, whatever the retry policy says."""


class EmbeddedUnavailable(TollwayError):
    """The embedded PostgreSQL is not installed or did not start."""


class TaskFailed(TollwayError):
    """The awaited task failed or was cancelled; `state` and `reason` say how."""

    def __init__(self, message: str, *, state: str, reason: Any = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.state = state
        self.reason = reason


class ChildFailed(TaskFailed):
    """A child failed or was cancelled. It is recorded: a further attempt of the parent would meet it again."""


class AwaitTimedOut(TollwayError, TimeoutError):
    """An event or a result did not come in time."""


def from_database(error: psycopg.Error) -> TollwayError | None:
    """The typed error of a database error, by its SQLSTATE; None when it is not one of ours."""
    if error.sqlstate == NO_SCHEMA and "absurd" in (error.diag.message_primary or ""):  # the sentence comes in many languages
        return SchemaMismatch("schema absurd is not in this database", hint="Run `tollway schema install`, or correct the address.")
    cls = TollwayError.registry.get(error.sqlstate or "")
    if cls is None:
        return None
    return cls(error.diag.message_primary or str(error), hint=error.diag.message_hint)
