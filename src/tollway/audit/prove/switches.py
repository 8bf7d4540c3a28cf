"""Which routines run with triggers switched off or moved, by themselves or by what they call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tollway.audit.facts.catalog import Body
from tollway.audit.facts.switches import Switch, Switched
from tollway.audit.model import TOP_LEVEL, Call

_ROUNDS = 8


def switches(bodies: Iterable[Body], calls: Iterable[Call]) -> Mapping[str, list[Switch]]:
    """For each routine, what is switched while it runs. A callee that does not switch back leaves it so for its caller."""
    ever: dict[str, list[Switch]] = defaultdict(list)
    left: dict[str, list[Switch]] = defaultdict(list)
    back: set[str] = set()
    for body in bodies:
        told = Switched().read(body.code.text) if body.code is not None else Switched()
        ever[body.routine.id] += told.ever
        left[body.routine.id] += told.left
        if body.replica:  # SET in its header: over when it returns
            ever[body.routine.id].append(Switch(replica=True))
        if told.back and not told.left:
            back.add(body.routine.id)
    if not any(left.values()):
        return {name: found for name, found in ever.items() if found}
    ways = [c for c in calls if c.kind in ("direct", "dynamic") and c.source != TOP_LEVEL]
    mended = back | {c.source for c in ways if c.target in back}
    for _ in range(_ROUNDS):
        news = [(c.source, s) for c in ways for s in left.get(c.target, ()) if s not in ever[c.source]]
        for source, switch in news:
            ever[source].append(switch)
            if source not in mended:
                left[source].append(switch)
        if not news:
            break
    return {name: found for name, found in ever.items() if found}
