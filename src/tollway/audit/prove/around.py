"""What stands before and after a statement, on the way from it to the end of its body.

A body can have thousands of statements, each of which changes a state: what a list of statements contributes is found once, and asked
by position.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tollway.audit.model import Span, Status, Write
from tollway.audit.parse.plpgsql import Node
from tollway.audit.prove.tree import Level, Reach, Reader

Rung = tuple[Status, tuple[Span, ...], str]
"""One verdict that would hold, with its proof and its reason."""


@dataclass(frozen=True, slots=True)
class Place:
    """One step of the way from the body's root to a statement: its list and its index there."""

    nodes: list[Node]
    index: int

    @property
    def node(self) -> Node:
        return self.nodes[self.index]


class Around:
    """The statements of one body, for one effect."""

    def __init__(self, root: Node, reader: Reader) -> None:
        self.root, self.reader = root, reader
        self.ways: dict[str, tuple[Place, ...]] = {}
        self._lists: dict[int, _List] = {}
        self._row_counts: dict[int, set[str]] = defaultdict(set)
        self._index(root, ())

    def _index(self, node: Node, way: tuple[Place, ...]) -> None:
        for fact in node.facts:
            if isinstance(fact, Write):
                self.ways.setdefault(fact.key, way)
        for nodes in (*node.branches, *node.handlers):
            last: Node | None = None
            for index, inner in enumerate(nodes):
                if inner.word == "get" and inner.code is not None and last is not None:
                    words = [t.word for t in inner.code.tokens]
                    self._row_counts[id(last)].update(words[i - 2] for i, word in enumerate(words) if word == "row_count" and i > 1)
                elif inner.kind in ("sql", "execute", "perform", "return"):
                    last = inner
                self._index(inner, (*way, Place(nodes, index)))

    def node(self, key: str) -> Node | None:
        """The statement with a write, if it stands in this body."""
        if key not in self.ways:
            return None
        return self.ways[key][-1].node if self.ways[key] else self.root

    def rungs(self, key: str) -> Iterator[Rung]:
        """What the statements before and after contribute, from the innermost list outwards; after a RETURN only on some paths."""
        here = self.node(key)
        if here is None:
            return
        told = {"found", *self._row_counts.get(id(here), ()), *(_into(here) if here.kind == "sql" else ())}
        gone = False
        for place in reversed(self.ways[key]):
            found = self._lists.get(id(place.nodes))
            if found is None:
                found = self._lists[id(place.nodes)] = _List.of(place.nodes, self.reader)
            yield from found.before(place.index, told)
            yield from found.after(place.index, told, gone=gone)
            gone = gone or found.leaves_after(place.index)


@dataclass(slots=True)
class _List:
    """The statements of a list that contribute anything, by position."""

    marks: dict[int, tuple[Node, Reach]] = field(default_factory=dict)
    block: list[int] = field(default_factory=list)
    callee: list[int] = field(default_factory=list)
    some: list[int] = field(default_factory=list)
    asking: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By each word of its condition."""
    asking_some: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Those among them that are not sure by themselves."""
    leaving: list[int] = field(default_factory=list)
    size: int = 0

    @classmethod
    def of(cls, nodes: list[Node], reader: Reader) -> _List:
        made = cls(size=len(nodes))
        for index, node in enumerate(nodes):
            if reader.leaves(node):
                made.leaving.append(index)
            reach = reader.node(node)
            if not reach.proof:  # nothing, or it only raises, and takes the write back with it
                continue
            made.marks[index] = (node, reach)
            kind = made.some if reach.level is not Level.ALWAYS else made.callee if reach.through else made.block
            kind.append(index)
            if node.conds and node.conds[0] is not None:
                for word in {t.word for t in node.conds[0].tokens}:
                    made.asking[word].append(index)
                    if kind is made.some:
                        made.asking_some[word].append(index)
        return made

    def leaves_after(self, index: int) -> bool:
        return bisect_right(self.leaving, index) < len(self.leaving)

    def before(self, index: int, told: set[str]) -> Iterator[Rung]:
        yield from self._between(-1, index, index, told)

    def after(self, index: int, told: set[str], *, gone: bool) -> Iterator[Rung]:
        at = bisect_right(self.leaving, index)
        cut = index if gone else self.leaving[at] if at < len(self.leaving) else self.size
        yield from self._between(index, cut + 1, None, told)

    def _between(self, first: int, sure_until: int, last: int | None, told: set[str]) -> Iterator[Rung]:
        """The best of each kind after `first` and before `last`; what is sure is so before `sure_until`, and on some paths from there."""
        wanted = [self._first(self.block, first, sure_until), self._first(self.callee, first, sure_until)]
        wanted += [self._first(kind, max(first, sure_until - 1), last) for kind in (self.block, self.callee)]
        wanted += [self._first(self.some, first, last)]
        for word in told & self.asking.keys():
            wanted += [self._first(self.asking_some.get(word, []), first, last)]
            wanted += [self._first(self.asking[word], max(first, sure_until - 1), last)]
        for index in sorted({i for i in wanted if i is not None}):
            node, reach = self.marks[index]
            if index >= sure_until and reach.level is Level.ALWAYS:
                reach = Reach(Level.SOME, reach.proof, reach.through)
            yield rung(reach, node, told)

    @staticmethod
    def _first(positions: list[int], after: int, before: int | None) -> int | None:
        at = bisect_right(positions, after)
        end = len(positions) if before is None else bisect_left(positions, before)
        return positions[at] if at < end else None


def rung(reach: Reach, node: Node, told: set[str]) -> Rung:
    """What a statement that contributes something is worth to a change beside it; `told` are the words that tell of that change."""
    if reach.level is Level.ALWAYS:
        return ("callee" if reach.through else "same block"), reach.proof, ""
    if reach.level is Level.SWALLOWED:
        return "conditional", reach.proof, "an exception handler may swallow it"
    cond = node.conds[0] if node.conds else None
    if cond is None:
        return "conditional", reach.proof, "on some paths"
    asks = any(t.word in told for t in cond.tokens)
    return ("guarded" if asks else "conditional"), reach.proof, f"if {' '.join(cond.code.text.split())}"


def _into(node: Node) -> Iterator[str]:
    """The variables of `returning ... into a, b`."""
    words = [t.word for t in node.code.tokens] if node.code else []
    after = words.index("returning") if "returning" in words else len(words)
    if "into" in words[after:]:
        yield from (w for w in words[words.index("into", after) + 1 :] if w not in (",", "strict", ""))
