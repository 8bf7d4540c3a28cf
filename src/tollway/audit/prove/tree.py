"""Post-dominance on the tree of a body: does an effect happen on every way through it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from tollway.audit.model import Call, Effect, Span, Write
from tollway.audit.parse.plpgsql import Node
from tollway.audit.prove.conditions import Change, Truth, holds, read, rename_state

Fact = Write | Call | Effect


class Level(IntEnum):
    """How surely: never, on some paths, on some paths because an error may be swallowed, on every path."""

    NONE = 0
    SOME = 1
    SWALLOWED = 2
    ALWAYS = 3


@dataclass(frozen=True, slots=True)
class Reach:
    """A level with the spans that show it; `through` says that a call lies between."""

    level: Level = Level.NONE
    proof: tuple[Span, ...] = ()
    through: bool = False


NONE = Reach()
Judge = Callable[[Fact], Reach]


@dataclass(frozen=True, slots=True)
class Reader:
    """Judges nodes for one effect, and, inside a trigger function, for one change of state."""

    judge: Judge
    change: Change | None = None

    def truth(self, node: Node, i: int) -> Truth:
        """The condition of branch i, as far as the change decides it."""
        cond = node.conds[i]
        if cond is None:
            return True
        if self.change is None:
            return None
        text = cond.code.text
        if node.kind == "case" and node.code is not None:
            text = f"{node.code.code.text} in ({text})"
        return holds(read(rename_state(text, self.change.columns)), self.change)

    def facts(self, facts: Iterable[Fact]) -> Reach:
        return max((self.judge(fact) for fact in facts), key=_rank, default=NONE)

    def nodes(self, nodes: list[Node]) -> Reach:
        """A statement list from its beginning."""
        best = NONE
        cut = False
        for node in nodes:
            reach = self.node(node)
            if cut and reach.level > Level.SOME:
                reach = Reach(Level.SOME, reach.proof, reach.through)
            best = max(best, reach, key=_rank)
            if best.level is Level.ALWAYS:
                return best
            if node.kind == "raise" and node.word == "exception":
                return Reach(Level.ALWAYS, best.proof) if not cut else best
            if node.kind in ("return", "exit") and node.word not in ("query", "next", "execute"):
                return best
            cut = cut or self.leaves(node)
        return best

    def node(self, node: Node) -> Reach:
        """One statement."""
        own = self.facts(node.facts) if node.kind not in ("if", "case", "loop", "block") else NONE
        if node.kind == "block":
            own = max(self.facts(node.facts), self.nodes(node.branches[0]), key=_rank)
            if node.handlers and own.level is Level.ALWAYS and not all(_raises(h) for h in node.handlers):
                return Reach(Level.SWALLOWED, own.proof, own.through)
        elif node.kind in ("if", "case"):
            own = self._branches(node)
        elif node.kind == "loop":
            inner = self.nodes(node.branches[0])
            own = self.facts(node.facts)
            if inner.level is not Level.NONE and own.level is not Level.ALWAYS:
                level = Level.ALWAYS if node.word == "loop" and inner.level is Level.ALWAYS else Level.SOME
                own = Reach(level, inner.proof, inner.through)
        return own

    def _branches(self, node: Node) -> Reach:
        reaches: list[Reach] = []
        open_end = not node.exhaustive
        for i, branch in enumerate(node.branches):
            truth = self.truth(node, i)
            if truth is False:
                continue
            reaches.append(self.nodes(branch))
            if truth is True:
                open_end = False
                break
        if not reaches:
            return NONE
        worst = min(reaches, key=_rank)
        if not open_end and worst.level is Level.ALWAYS:
            return max(reaches, key=_rank)
        if not open_end and worst.level is Level.SWALLOWED and worst.proof:
            return worst
        best = max((r for r in reaches if r.proof), key=_rank, default=NONE)
        return Reach(min(best.level, Level.SOME), best.proof, best.through)

    def leaves(self, node: Node) -> bool:
        """Can control leave the body here by a RETURN, so that what follows does not run?"""
        if node.kind == "return":
            return node.word not in ("query", "next", "execute")
        if node.kind == "exit":
            return True
        for i, branch in enumerate(node.branches):
            if node.kind in ("if", "case") and self.truth(node, i) is False:
                continue
            if any(self.leaves(inner) for inner in branch if not (node.kind == "loop" and inner.kind == "exit")):
                return True
        return any(self.leaves(inner) for handler in node.handlers for inner in handler)


def _rank(reach: Reach) -> tuple[int, bool]:
    return reach.level, not reach.through


def passing(node: Node) -> Node:
    """An IF or CASE as it is for those who come out at its end: without the branches that leave by RETURN, RAISE, EXIT or CONTINUE."""
    if node.kind not in ("if", "case"):
        return node
    kept = [(cond, [passing(n) for n in branch]) for cond, branch in zip(node.conds, node.branches, strict=True) if not ends(branch)]
    return replace(node, conds=[cond for cond, _ in kept], branches=[branch for _, branch in kept])


def ends(nodes: list[Node], *, routine: bool = False) -> bool:
    """Does nobody come to the end of this list; with `routine`, because the routine ends in it?"""
    for node in nodes:
        if node.kind == "return" and node.word not in ("query", "next", "execute"):
            return True
        if node.kind == "raise" and node.word == "exception":
            return True
        if not routine and node.kind == "exit" and (node.code is None or "when" not in [t.word for t in node.code.tokens]):
            return True
        if node.kind in ("if", "case") and node.exhaustive and all(ends(branch, routine=routine) for branch in node.branches):
            return True
    return False


def weakest(reaches: list[Reach]) -> Reach:
    """What is sure whichever of several bodies runs; what only some of them do is done on some paths."""
    worst = min(reaches, key=_rank)
    if worst.level is not Level.NONE:
        return worst
    best = max(reaches, key=_rank)
    return Reach(min(best.level, Level.SOME), best.proof, best.through)


def sets_found(node: Node) -> bool:
    """Can FOUND tell of this statement afterwards, and no more of an earlier one? EXECUTE and assignments leave it as it is."""
    if node.kind == "sql":
        return node.code is not None and node.code.word(0) in _SETS_FOUND
    if node.kind in ("perform", "loop"):
        return node.kind == "perform" or node.word in ("for", "foreach") or any(sets_found(n) for n in node.branches[0])
    if node.kind == "return":
        return node.word in ("query", "execute")
    if node.kind == "other":
        return node.word in ("fetch", "move")
    return any(sets_found(inner) for nodes in (*node.branches, *node.handlers) for inner in nodes)


_SETS_FOUND = frozenset({"select", "with", "insert", "update", "delete", "merge", "values"})


def _raises(nodes: list[Node]) -> bool:
    return any(node.kind == "raise" and node.word == "exception" for node in nodes)
