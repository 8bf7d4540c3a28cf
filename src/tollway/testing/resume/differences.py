"""What can be wrong with a resumed run, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What differs; the value is the advice."""

    ORDER = (
        "the workflow's code must ask for the same steps in the same order each time it runs, for it is run again after a crash. "
        "Take what decides the way (the time, a random number, a global, a row of the database) from a step, from ctx.now(), "
        "ctx.random() or ctx.uuid()."
    )
    INPUT = (
        "it is computed outside of a step from something that changes: the time, a random number, a global. "
        "Compute it in a step of its own, or use ctx.now(), ctx.random() or ctx.uuid(): those are recorded."
    )
    VALUE = (
        "what a step records must follow from the workflow's arguments and from earlier steps. If its body draws a new value each "
        "time it runs, and may (an id, a time), name it: varies=[...]. If it reads rows or globals that the run before has "
        "changed, put them back in setup=."
    )
    RESULT = (
        "it is computed outside of a step from something that changes: the time, a random number, a global. "
        "Compute it in a step, or use ctx.now(), ctx.random() or ctx.uuid(): those are recorded."
    )
    TASKS = (
        "a step's body may run twice, and then it starts twice: use ctx.start_child, or give the start an "
        "idempotency_key=ctx.idempotency_key(step)."
    )
    STATE = "a resumed run must end as one that nobody killed."
    ATTEMPTS = "a worker that dies costs one attempt: allow two at least (max_attempts=)."
    CHECK = (
        "a body that ran twice has an effect twice: use ctx.transaction for rows of this database, and hand "
        "ctx.idempotency_key(step) to services outside."
    )
    STRICT = "its body must not run twice: use ctx.transaction, whose rows are committed with the record of the step or not at all."
    TWICE = "a record of a step never changes: this is a defect of Tollway, or somebody has deleted rows. Please report it."
    VERIFY = "absurd.verify() explains each; if nothing but Tollway writes to its schema, please report it."


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    text: str


def told(found: list[Difference]) -> str:
    """Each difference in a line, then the advice for the first: the others follow from it more often than not."""
    lines = [f"  - {difference.text}" for difference in found]
    return "\n".join([*lines, "", f"what to do: {found[0].kind.value}"])
