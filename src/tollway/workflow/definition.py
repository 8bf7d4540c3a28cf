"""What a decorated function is to us: a workflow with a name, a version, and a shape of parameters."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from tollway.errors import InvalidOption, InvalidPayload, WorkflowNotRegistered
from tollway.workflow.names import check_name
from tollway.workflow.retry import Retry, check_attempts, strategy_of
from tollway.workflow.typed import UNTYPED, ValueType, annotations_of, function_of, value_type_or_plain

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
    non_retryable: tuple[type[BaseException], ...] = ()
    types: Mapping[str, ValueType] = field(default_factory=dict)
    result: ValueType = UNTYPED

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    def encode_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Arguments as the task's params: one parameter is stored as itself, several as an object by name."""
        if len(self.parameters) == 1 and len(args) == 1 and not kwargs:
            return self._dump(self.parameters[0].name, args[0])
        try:
            bound = self._signature().bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidPayload(f"the arguments do not fit workflow {self.name!r}: {error}", hint=self._takes()) from None
        if not self.parameters:
            return {}
        values = {name: self._dump(name, value) for name, value in bound.arguments.items()}
        if len(self.parameters) == 1 and values:
            return next(iter(values.values()))
        return values

    def decode_arguments(self, params: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The reverse of `encode_arguments`, for what any client may have sent.

        Raises:
            InvalidPayload: it does not fit the parameters; the message names the field.
        """
        count = len(self.parameters)
        if count == 0:
            return (), {}
        if count == 1:
            only = self.parameters[0]
            omitted = only.default is not only.empty and params in (None, {})
            return (), {} if omitted else {only.name: self._load(only.name, params)}
        if not isinstance(params, dict):
            raise InvalidPayload(f"workflow {self.name!r} was started with {type(params).__name__}", hint=self._takes())
        known = {p.name for p in self.parameters}
        missing = [p.name for p in self.parameters if p.default is p.empty and p.name not in params]
        unknown = sorted(params.keys() - known)
        if missing or unknown:
            wrong = [f"{name} is missing" for name in missing] + [f"{name} is not a parameter" for name in unknown]
            raise InvalidPayload(f"the input of workflow {self.name!r} does not fit: {', '.join(wrong)}", hint=self._takes())
        return (), {name: self._load(name, value) for name, value in params.items()}

    def _dump(self, name: str, value: Any) -> Any:
        known = self.types.get(name)
        return value if known is None else known.dump(value, f"{name} of workflow {self.name!r}")

    def _load(self, name: str, value: Any) -> Any:
        known = self.types.get(name)
        return value if known is None else known.decode(value, f"{name} of workflow {self.name!r}")

    def _takes(self) -> str:
        return f"it takes {', '.join(str(p) for p in self.parameters) or 'nothing'}."

    def _signature(self) -> inspect.Signature:
        return inspect.Signature(list(self.parameters))


@dataclass(frozen=True, slots=True)
class Hook:
    """When a task of the queue, of one workflow or of any, reaches `to_state`, `handler` is started."""

    queue: str
    task_name: str | None
    to_state: str
    handler: Workflow

    def options(self) -> dict[str, Any]:
        """What the handler's tasks are spawned with."""
        given = {"max_attempts": self.handler.max_attempts, "retry_strategy": self.handler.retry}
        return {name: value for name, value in given.items() if value is not None}


class Registry:
    """The workflows a process knows, by name; what starts on their moves, and how business connections are made."""

    def __init__(self) -> None:
        self._workflows: dict[str, Workflow] = {}
        self.connect: Any = None
        self.hooks: list[Hook] = []

    def add(self, workflow: Workflow) -> None:
        known = self._workflows.get(workflow.name)
        if known is not None and _source(known.fn) != _source(workflow.fn):
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
            near = get_close_matches(str(name), self._workflows, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise WorkflowNotRegistered(f"no workflow is named {name!r}", hint=f"{meant}registered: {known}.")
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
    retry: Retry | Mapping[str, Any] | None,
) -> Workflow:
    """Look at the function once, at import time, so that a mistake shows there and not in production."""
    code = _code_of(fn)
    if version is not None and not isinstance(version, str):
        raise InvalidOption(f"version is {version!r}", hint='use a text: version="1".')
    parameters = _parameters(fn)
    hints = annotations_of(code)
    types = {p.name: value_type_or_plain(hints[p.name]) for p in parameters[1:] if p.name in hints}
    return Workflow(
        name=check_name("workflow", name if name is not None else _name_of(fn)),
        fn=fn,
        is_async=inspect.iscoroutinefunction(code),
        parameters=parameters[1:],
        version=version,
        code_hash=_code_hash(code),
        queue=queue,
        max_attempts=check_attempts(max_attempts),
        retry=strategy_of(retry),
        non_retryable=retry.non_retryable if isinstance(retry, Retry) else (),
        types={name: known for name, known in types.items() if not known.is_plain},
        result=value_type_or_plain(hints["return"]) if "return" in hints else UNTYPED,
    )


def _code_of(fn: Handler) -> Handler:
    """The function behind it: of a partial, of an object with `__call__`. Raises: InvalidOption, if it cannot be a workflow."""
    if not callable(fn) or inspect.isclass(fn) or isinstance(fn, Workflow):
        what = f"workflow {fn.name!r}" if isinstance(fn, Workflow) else repr(fn)
        raise InvalidOption(f"{what} is declared as a workflow", hint="a workflow is a function, `async def` or `def`.")
    code = function_of(fn)
    if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise InvalidOption(f"workflow {_called(fn)} is a generator", hint="return a list instead of yielding.")
    return code


def _parameters(fn: Handler) -> tuple[inspect.Parameter, ...]:
    """The context's parameter and those that are stored. Raises: InvalidOption."""
    try:
        parameters = tuple(inspect.signature(fn).parameters.values())
    except ValueError as error:  # some builtins have none
        raise InvalidOption(f"{fn!r} is declared as a workflow: {error}", hint="a workflow is a function of your own.") from None
    keyword = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    if not parameters or parameters[0].kind in keyword:
        raise InvalidOption(f"workflow {_called(fn)} takes no context", hint="its first parameter is ctx: Context.")
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    if any(p.kind in variadic for p in parameters[1:]):
        raise InvalidOption(
            f"workflow {_called(fn)} has *args, **kwargs or positional-only parameters",
            hint="name each parameter: they are stored by name.",
        )
    return parameters


def _name_of(fn: Handler) -> str:
    name = getattr(fn, "__name__", None)
    if name is None or name == "<lambda>":
        raise InvalidOption(f"the workflow {_called(fn)} has no name of its own", hint='give it one: name="...".')
    return str(name)


def _code_hash(fn: Handler) -> str:
    """Names the code that ran. Of the source where there is one: bytecode differs between Python versions."""
    try:
        text = inspect.getsource(fn)
    except (OSError, TypeError):
        text = _called(fn)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _called(fn: Handler) -> str:
    return str(getattr(fn, "__qualname__", None) or repr(fn))


def _source(fn: Handler) -> tuple[str, str]:
    """Tells functions apart, and not the same one under `__main__` and under its module's name."""
    code = function_of(fn)
    return getattr(getattr(code, "__code__", None), "co_filename", code.__module__), _called(code)


def _place(workflow: Workflow) -> str:
    code = function_of(workflow.fn)
    return f"{code.__module__}.{_called(code)}"
