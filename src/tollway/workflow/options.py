"""The options a workflow is started with, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, get_args

from tollway.errors import InvalidOption
from tollway.model import State
from tollway.protocol.codec import settle
from tollway.workflow.definition import Workflow
from tollway.workflow.durations import Duration, aware, seconds_of
from tollway.workflow.names import check_name
from tollway.workflow.operations import Operation, spawn
from tollway.workflow.retry import Retry, check_attempts, strategy_of

LEAST_PRIORITY, MOST_PRIORITY = -32768, 32767


class StartOptions(NamedTuple):
    """As `Tollway.start` describes them. None: the workflow's own, else the engine's default.

    No dataclass: a frozen one of ten fields takes four times as long to make, for each start.
    """

    idempotency_key: str | None = None
    delay: Duration | None = None
    start_at: datetime | None = None
    deadline: Duration | datetime | None = None
    priority: int | None = None
    max_attempts: int | None = None
    retry: Retry | Mapping[str, Any] | None = None
    tags: Sequence[str] = ()
    queue: str | None = None
    detached: bool = False

    def document(self, workflow: Workflow) -> dict[str, Any]:
        """The `options` of `spawn_task`. Raises: InvalidOption, InvalidName."""
        # the workflow's own were checked when it was declared
        retry = workflow.retry if self.retry is None else strategy_of(self.retry)
        attempts = self.max_attempts
        if attempts is None:
            attempts = self.retry.max_attempts if isinstance(self.retry, Retry) else workflow.max_attempts
        else:
            check_attempts(attempts)
        given = {
            "workflow_hash": workflow.code_hash,
            "workflow_version": workflow.version,
            "max_attempts": attempts,
            "retry_strategy": retry,
            "idempotency_key": _text("idempotency_key", self.idempotency_key),
            "delay_seconds": None if self.delay is None else seconds_of(self.delay, "delay"),
            "start_at": None if self.start_at is None else aware(self.start_at, "start_at").isoformat(),
            **_deadline(self.deadline),
            "priority": _priority(self.priority),
            "tags": _tags(self.tags),
            "detached": self.detached or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def queue_for(self, workflow: Workflow) -> str:
        return workflow.queue if self.queue is None else check_name("queue", self.queue)


def params_of(workflow: Workflow, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> Any:
    """The task's params, checked by the workflow's annotations and put into JSON. Raises: InvalidPayload."""
    return settle(workflow.encode_arguments(args, kwargs or {}), f"the arguments of workflow {workflow.name!r}")


def start_operation(
    step: str, workflow: Workflow, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, given: StartOptions
) -> Operation:
    """What starts a child and records it under `step`."""
    return spawn(step, given.queue_for(workflow), workflow.name, params_of(workflow, args, kwargs)[0], given.document(workflow))


def _deadline(deadline: Duration | datetime | None) -> dict[str, Any]:
    if deadline is None:
        return {}
    if isinstance(deadline, datetime):
        return {"deadline": aware(deadline, "deadline").isoformat()}
    return {"deadline_seconds": seconds_of(deadline, "deadline")}


def _priority(priority: object) -> int | None:
    if priority is None:
        return None
    if type(priority) is not int or not LEAST_PRIORITY <= priority <= MOST_PRIORITY:
        raise InvalidOption(
            f"priority is {priority!r}", hint=f"use a whole number from {LEAST_PRIORITY} to {MOST_PRIORITY}; lower runs first."
        )
    return priority


def _tags(tags: object) -> list[str] | None:
    if tags == ():
        return None
    if isinstance(tags, str) or not isinstance(tags, Sequence) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidOption(f"tags is {tags!r}", hint='use a list of texts, as in tags=["import"].')
    return list(tags) or None


def check_hook(method: str, to_state: str, workflow: object) -> str | None:
    """The name of the workflow whose moves are meant, None for all. Raises: InvalidOption."""
    if to_state not in get_args(State):
        raise InvalidOption(f"to_state is {to_state!r}", hint=f"one of {', '.join(get_args(State))}.")
    if workflow is None or isinstance(workflow, str):
        return workflow
    if isinstance(workflow, Workflow):
        return workflow.name
    raise InvalidOption(f"{workflow!r} is no workflow whose moves could be followed", hint=f"write @app.{method} with its parentheses.")


def inputs_of(inputs: object, key: object) -> list[Any]:
    """The inputs of `start_many`. Raises: InvalidOption."""
    if key is not None and not callable(key):
        raise InvalidOption(f"idempotency_key is {key!r}", hint="use a function that gives each input its key.")
    if isinstance(inputs, str | bytes | Mapping) or not isinstance(inputs, Iterable):
        raise InvalidOption(f"the inputs are a {type(inputs).__name__}", hint="use a list with one input for each start.")
    return list(inputs)


def _text(name: str, value: object) -> str | None:
    if value is not None and type(value) is not str:
        raise InvalidOption(f"{name} is {value!r}", hint=f"use a text: {name}=str(...).")
    if value == "":  # a variable that was not set: all starts would be one task
        raise InvalidOption(f"{name} is empty", hint="give a text that names this start, or None.")
    return value
