"""What a decorated function is to us: a workflow with a name, a version, and a shape of parameters."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tollway.errors import InvalidOption, WorkflowNotRegistered
from tollway.workflow.names import check_name

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Workflow:
    """A registered function. Calling it calls the function, which keeps it testable without a database."""

    name: str
    fn: Handler
    is_async: bool
    parameters: tuple[inspect.Parameter, ...]
    version: str | None
    code_hash: str
    queue: str
    max_attempts: int | None
    retry: Mapping[str, Any] | None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    def encode_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Arguments as the task's params: one parameter is stored as itself, several as an object by name."""
        if len(self.parameters) == 1 and len(args) == 1 and not kwargs:
            return args[0]
        bound = self._signature().bind(*args, **kwargs)
        if not self.parameters:
            return {}
        if len(self.parameters) == 1 and bound.arguments:
            return next(iter(bound.arguments.values()))
        return dict(bound.arguments)

    def decode_arguments(self, params: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The reverse of `encode_arguments`, for what any client may have sent."""
        count = len(self.parameters)
        if count == 0:
            return (), {}
        if count == 1:
            only = self.parameters[0]
            omitted = only.default is not only.empty and params in (None, {})
            return ((), {}) if omitted else ((params,), {})
        if not isinstance(params, dict):
            names = ", ".join(p.name for p in self.parameters)
            raise TypeError(f"workflow {self.name!r} takes an object with {names}, not {type(params).__name__}")
        return (), params

    def _signature(self) -> inspect.Signature:
        return inspect.Signature(list(self.parameters))


class Registry:
    """The workflows a process knows, by name."""

    def __init__(self) -> None:
        self._workflows: dict[str, Workflow] = {}

    def add(self, workflow: Workflow) -> None:
        known = self._workflows.get(workflow.name)
        if known is not None and known.fn.__qualname__ != workflow.fn.__qualname__:
            raise InvalidOption(
                f"two workflows are named {workflow.name!r}: {_place(known)} and {_place(workflow)}",
                hint="give one of them another name=.",
            )
        self._workflows[workflow.name] = workflow

    def find(self, name: str) -> Workflow | None:
        return self._workflows.get(name)

    def get(self, workflow: Workflow | str) -> Workflow:
        """Raises: WorkflowNotRegistered."""
        name = workflow.name if isinstance(workflow, Workflow) else workflow
        found = self._workflows.get(name)
        if found is None:
            known = ", ".join(sorted(self._workflows)) or "none"
            raise WorkflowNotRegistered(f"no workflow is named {name!r}", hint=f"registered: {known}.")
        return found

    def names(self) -> list[str]:
        return sorted(self._workflows)


def define(
    fn: Handler,
    *,
    name: str | None,
    version: str | None,
    queue: str,
    max_attempts: int | None,
    retry: Mapping[str, Any] | None,
) -> Workflow:
    """Look at the function once, at import time, so that a mistake shows there and not in production."""
    parameters = tuple(inspect.signature(fn).parameters.values())
    if not parameters:
        raise InvalidOption(f"workflow {fn.__qualname__} takes no context", hint="its first parameter is ctx: Context.")
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    if any(p.kind in variadic for p in parameters[1:]):
        raise InvalidOption(
            f"workflow {fn.__qualname__} has *args, **kwargs or positional-only parameters",
            hint="name each parameter: they are stored by name.",
        )
    if max_attempts is not None and (type(max_attempts) is not int or max_attempts < 1):
        raise InvalidOption(f"max_attempts is {max_attempts!r}", hint="use a whole number of at least 1, or None.")
    return Workflow(
        name=check_name("workflow", name if name is not None else fn.__name__),
        fn=fn,
        is_async=inspect.iscoroutinefunction(fn),
        parameters=parameters[1:],
        version=version,
        code_hash=_code_hash(fn),
        queue=queue,
        max_attempts=max_attempts,
        retry=retry,
    )


def _code_hash(fn: Handler) -> str:
    """Names the code that ran. Of the source where there is one: bytecode differs between Python versions."""
    try:
        text = inspect.getsource(fn)
    except (OSError, TypeError):
        text = fn.__qualname__
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _place(workflow: Workflow) -> str:
    return f"{workflow.fn.__module__}.{workflow.fn.__qualname__}"
