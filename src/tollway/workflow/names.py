"""The names a workflow gives its steps, sleeps and events.

A recorded step is found again by its name, so a name must mean the same step in every execution. The names made
here begin with `$`, which users' names may not.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from tollway.errors import InvalidName, InvalidOption

MAX_NAME_BYTES = 255
RESERVED = "$"


def check_name(kind: str, name: object) -> str:
    """Return `name` if it may name a step, an event or a workflow.

    Raises:
        InvalidName: not text, empty, over 255 bytes of UTF-8, or with a character Postgres cannot store.
    """
    if type(name) is not str:
        raise InvalidName(f"{_article(kind)} {kind} name must be text, not {type(name).__name__}", hint=_HINT)
    if not name:
        raise InvalidName(f"{_article(kind)} {kind} name is empty", hint=_HINT)
    # ASCII is the common case, and then characters are bytes.
    size = len(name) if name.isascii() else _utf8_length(kind, name)
    if size > MAX_NAME_BYTES:
        raise InvalidName(f"the {kind} name {name[:40]!r}... has {size} bytes, more than {MAX_NAME_BYTES}", hint=_HINT)
    if "\0" in name:
        raise InvalidName(f"the {kind} name {name!r} has a NUL character", hint=_HINT)
    return name


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeio" else "a"  # `uuid` is spoken with a y


def check_step_name(name: object) -> str:
    """As `check_name`, and refuses the prefix that sleeps and awaits are recorded under."""
    checked = check_name("step", name)
    if checked[0] == RESERVED:
        raise InvalidName(f"the step name {checked!r} begins with {RESERVED!r}", hint="that prefix is reserved.")
    return checked


def task_id_of(value: object) -> UUID:
    """A task's id, also from its text. Raises: InvalidOption."""
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        raise InvalidOption(f"{value!r} is not a task id", hint="ids are UUIDs: what handle.id is, or its text.") from None


def sleep_step(name: str | None, ordinal: int) -> str:
    """The step a sleep is recorded under: by its name, else by its place among the unnamed ones."""
    return _fit(f"$sleep:{name}") if name is not None else f"$sleep#{ordinal}"


def event_step(event: str, ordinal: int) -> str:
    """The step an await is recorded under; awaiting the same event again in one attempt is a step of its own."""
    return _fit(f"$event:{event}" if ordinal == 1 else f"$event:{event}#{ordinal}")


def emit_step(event: str, ordinal: int) -> str:
    """The step an emission is recorded under, so that a replay does not send it again."""
    return _fit(f"$emit:{event}" if ordinal == 1 else f"$emit:{event}#{ordinal}")


def child_step(workflow: str, key: str | None, ordinal: int) -> str:
    """The step the start of a child is recorded under: by its key, else by its place among those of its workflow."""
    return _fit(f"$child:{key}") if key is not None else _fit(f"$child:{workflow}#{ordinal}")


def result_step(child: str) -> str:
    """The step the end of a child is recorded under; `child` is the step of its start."""
    return _fit(f"$result:{child.removeprefix('$child:')}")


def recorded_step(kind: str, name: str | None, ordinal: int) -> str:
    """The step a value from outside is recorded under: the time, a random number, an id."""
    return _fit(f"${kind}:{name}") if name is not None else f"${kind}#{ordinal}"


def retry_step(step: str, attempt: int, failures: int) -> str:
    """The step a stored back-off is recorded under: the step's failures in one attempt at the workflow."""
    return _fit(f"$retry:{attempt}.{failures}:{step}")


def _fit(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return name[: name.index(":") + 1] + "sha256:" + sha256(name.encode()).hexdigest()


def _utf8_length(kind: str, name: str) -> int:
    try:
        return len(name.encode())
    except UnicodeEncodeError:
        raise InvalidName(f"the {kind} name {name!r} has a lone surrogate", hint=_HINT) from None


_HINT = f"names are 1 to {MAX_NAME_BYTES} bytes of UTF-8 without NUL."
