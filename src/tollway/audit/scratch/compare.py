"""What happened against what was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tollway.audit.analysis import Analysis
from tollway.audit.facts.catalog import Body
from tollway.audit.model import Write
from tollway.audit.parse.names import may_be, same_relation, short
from tollway.audit.parse.plpgsql import Node
from tollway.audit.scratch.probe import Frame, Move

_VERBS = {
    "insert": ("insert", "merge", "copy"),
    "update": ("update", "merge", "insert"),
    "delete": ("delete", "merge"),
    "truncate": ("truncate",),
}


@dataclass(slots=True)
class Comparison:
    """`unexplained` is what the auditor failed to read; `idle` what the driver did not reach."""

    explained: list[tuple[Move, Write]] = field(default_factory=list)
    by_driver: list[Move] = field(default_factory=list)
    """Statements of the driver itself, or foreign keys' actions: no function of the schema made them."""
    unexplained: list[tuple[Move, str]] = field(default_factory=list)
    idle: list[Write] = field(default_factory=list)


def compare(analysis: Analysis, seen: Sequence[Move]) -> Comparison:
    """Each move needs a known change of state at the line of the routine where it happened."""
    places = {key: list(_places(body)) for key, body in analysis.bodies.items()}
    found = Comparison()
    reached: set[str] = set()
    for move in seen:
        if not move.frames or _cascaded(analysis, move):
            found.by_driver.append(move)
            continue
        frame = move.frames[0]
        bodies = analysis.catalog.named(frame.function)
        writes = [
            w
            for b in bodies
            for line, number, w in places.get(b.routine.id, ())
            if frame in (Frame(frame.function, line), Frame(frame.function, 0, number))
        ]
        mine = [w for w in writes if w.verb in _VERBS[move.event] and any(_same(w.relation, name) for name in (move.relation, move.root))]
        known = {w.key: w for w in analysis.facts.writes}
        states = [known[w.key] for w in mine if w.key in known and known[w.key].effect != "other"]
        if states:
            found.explained.append((move, states[0]))
            reached.update(w.key for w in states)
        else:
            found.unexplained.append((move, _why(frame, bodies, writes, mine)))
    watched = ("insert", "update", "delete", "merge", "truncate", "copy")
    found.idle = [w for w in analysis.facts.writes if w.effect != "other" and w.key not in reached and w.verb in watched]
    return found


def _why(frame: Frame, bodies: Sequence[Body], writes: Sequence[Write], mine: Sequence[Write]) -> str:
    if not bodies:
        return f"{frame.function} was not read"
    if mine:
        return "the statement was read, but not as a change of state"
    return "another table or verb was read there" if writes else "no write was read there"


def _same(written: str, real: str) -> bool:
    return same_relation(written, real) or ("*" in written and may_be(written, real))


def _cascaded(analysis: Analysis, move: Move) -> bool:
    """The statement of a foreign key's action, which the server writes in this form."""
    text = move.sql.lower()
    return text.startswith(('delete from only "', 'update only "')) and any(
        same_relation(f.relation, move.root) or short(f.relation) == short(move.root) for f in analysis.facts.fk_actions
    )


def _places(body: Body) -> Iterator[tuple[int, int, Write]]:
    """(line of the body, number of the statement, write) of each write."""
    if body.tree is None or body.code is None:
        return
    for number, node in enumerate(body.tree.branches[0] if body.tree.branches else (), 1):
        for inner in _nodes(node):
            for fact in inner.facts:
                if isinstance(fact, Write):
                    yield body.code.text.count("\n", 0, inner.at) + 1, number if inner is node and node.kind == "sql" else 0, fact


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for branch in (*node.branches, *node.handlers):
        for inner in branch:
            yield from _nodes(inner)
