"""What stands before and after a statement, on the way from it to the end of its body.

A body can have thousands of statements, each of which changes a state: what a list of statements contributes is found once, and asked
by position.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tollway.audit.model import Span, Status, Write
from tollway.audit.parse.plpgsql import Node
from tollway.audit.prove.tree import Level, Reach, Reader, ends, passing, sets_found

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

    def rungs(self, write: Write) -> Iterator[Rung]:
        """What the statements before and after contribute, from the innermost list outwards, until control may have left."""
        here = self.node(write.key)
        if here is None:
            return
        beside = bool(write.cte) and any(isinstance(fact, Write) and not fact.cte for fact in here.facts)
        told: set[str] = set()
        if not beside:  # of a CTE beside a change, they tell of that change
            told = {*self._row_counts.get(id(here), ()), *(_into(here) if here.kind == "sql" else ())}
        found = not beside and sets_found(here)
        gone = over = False
        for place in reversed(self.ways[write.key]):
            beyond = self._lists.get(id(place.nodes))
            if beyond is None:
                beyond = self._lists[id(place.nodes)] = _List.of(place.nodes, self.reader)
            yield from beyond.before(place.index)
            if not over:
                yield from beyond.after(place.index, told, found=found, gone=gone)
            over = over or beyond.next(beyond.ending, place.index) < beyond.size
            gone = gone or beyond.next(beyond.leaving, place.index) < beyond.size
            found = found and beyond.next(beyond.finding, place.index) == beyond.size


@dataclass(slots=True)
class _Marks:
    """The statements of a list that contribute anything, by position."""

    reaches: dict[int, tuple[Node, Reach]] = field(default_factory=dict)
    block: list[int] = field(default_factory=list)
    callee: list[int] = field(default_factory=list)
    some: list[int] = field(default_factory=list)
    asking: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By each word of its condition."""
    asking_some: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Those among them that are not sure by themselves."""

    def add(self, index: int, node: Node, reach: Reach) -> None:
        if not reach.proof:  # nothing, or it only raises, and takes the write back with it
            return
        self.reaches[index] = (node, reach)
        kind = self.some if reach.level is not Level.ALWAYS else self.callee if reach.through else self.block
        kind.append(index)
        if node.conds and node.conds[0] is not None:
            for word in {t.word for t in node.conds[0].tokens}:
                self.asking[word].append(index)
                if kind is self.some:
                    self.asking_some[word].append(index)

    def between(self, first: int, sure_until: int, last: int, told: Mapping[str, int]) -> Iterator[Rung]:
        """The best of each kind after `first` and before `last`; what is sure is so before `sure_until`, and on some paths from there.

        `told`: the words that tell of the change, each with the position before which it does."""
        wanted = [_first(self.block, first, min(sure_until, last)), _first(self.callee, first, min(sure_until, last))]
        wanted += [_first(kind, max(first, sure_until - 1), last) for kind in (self.block, self.callee)]
        wanted += [_first(self.some, first, last)]
        for word in told.keys() & self.asking.keys():
            until = min(last, told[word])
            wanted += [_first(self.asking_some.get(word, []), first, until)]
            wanted += [_first(self.asking[word], max(first, sure_until - 1), until)]
        for index in sorted({i for i in wanted if i is not None}):
            node, reach = self.reaches[index]
            if index >= sure_until and reach.level is Level.ALWAYS:
                reach = Reach(Level.SOME, reach.proof, reach.through)
            yield rung(reach, node, {word for word, until in told.items() if index < until})


@dataclass(slots=True)
class _List:
    """A list of statements, as those see it who come through it, and as those do who start in it."""

    size: int
    passed: _Marks = field(default_factory=_Marks)
    ahead: _Marks = field(default_factory=_Marks)
    leaving: list[int] = field(default_factory=list)
    ending: list[int] = field(default_factory=list)
    """Those after which nothing is reached: the routine is over."""
    finding: list[int] = field(default_factory=list)
    """Those after which FOUND tells of them."""

    @classmethod
    def of(cls, nodes: list[Node], reader: Reader) -> _List:
        made = cls(len(nodes))
        for index, node in enumerate(nodes):
            reach = reader.node(node)
            through = passing(node)
            made.ahead.add(index, node, reach)
            made.passed.add(index, through, reach if through is node else reader.node(through))
            for positions, is_one in (
                (made.leaving, reader.leaves(node)),
                (made.ending, ends([node], routine=True)),
                (made.finding, sets_found(node)),
            ):
                if is_one:
                    positions.append(index)
        return made

    def next(self, positions: list[int], after: int) -> int:
        """The first of some positions after one; the list's end, if there is none."""
        at = bisect_right(positions, after)
        return positions[at] if at < len(positions) else self.size

    def before(self, index: int) -> Iterator[Rung]:
        """Statements before a change ask for other changes."""
        yield from self.passed.between(-1, index, index, {})

    def after(self, index: int, told: set[str], *, found: bool, gone: bool) -> Iterator[Rung]:
        cut = index if gone else self.next(self.leaving, index)
        asked = dict.fromkeys(told, self.size)
        if found:
            asked["found"] = self.next(self.finding, index) + 1  # that one asks before it sets FOUND itself
        yield from self.ahead.between(index, cut + 1, self.next(self.ending, index) + 1, asked)


def _first(positions: list[int], after: int, before: int) -> int | None:
    """The first position after one and before another."""
    at = bisect_right(positions, after)
    return positions[at] if at < bisect_left(positions, before) else None


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
