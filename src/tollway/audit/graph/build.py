"""From facts to a picture: nodes and edges that lead to a state or a routine, found backwards from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from tollway.audit.analysis import Analysis
from tollway.audit.graph.targets import Targets
from tollway.audit.model import GOOD, TOP_LEVEL, Span, Verdict, Write
from tollway.audit.parse.names import may_be, same_relation

NodeKind = Literal["state", "sql", "view", "trigger", "python", "cron", "script"]
EdgeKind = Literal["writes", "direct", "dynamic", "trigger", "cron", "default", "view", "policy", "python", "cascade"]

CRON = "(scheduled)"
MOST_PATHS = 500
"""More paths than this nobody reads; the graph says when there are more."""


@dataclass(frozen=True, slots=True)
class Node:
    """Something that acts, or a state at the end."""

    id: str
    kind: NodeKind
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """One way from a node to the next. `lacks` tells the required effects that do not surely follow: (effect, status)."""

    source: str
    target: str
    kind: EdgeKind
    label: str
    span: Span
    lacks: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Graph:
    """Nodes and edges, callers first."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    goals: tuple[str, ...] = ()
    truncated: bool = False

    def paths(self) -> list[tuple[Edge, ...]]:
        """Every way without a circle from where nobody calls to a goal, in order; at most MOST_PATHS."""
        into = {edge.target for edge in self.edges}
        leaving: dict[str, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            leaving[edge.source].append(edge)
        starts = [n for n in self.nodes if n not in into and n in leaving] or [n for n in self.nodes if n in leaving]
        found: list[tuple[Edge, ...]] = []
        for start in starts:
            for path in _walk(start, leaving, frozenset(self.goals), (), frozenset({start})):
                if len(found) == MOST_PATHS:
                    self.truncated = True
                    return found
                found.append(path)
        return found


def _walk(
    at: str, leaving: dict[str, list[Edge]], goals: frozenset[str], path: tuple[Edge, ...], seen: frozenset[str]
) -> Iterator[tuple[Edge, ...]]:
    if at in goals and path:
        yield path
        return
    for edge in leaving.get(at, ()):
        if edge.target not in seen:
            yield from _walk(edge.target, leaving, goals, (*path, edge), seen | {edge.target})


def build(analysis: Analysis, wanted: Targets) -> Graph:
    """The part of the whole that leads to the targets."""
    goals = (*(str(s) for s in wanted.states), *wanted.routines)
    into: dict[str, list[Edge]] = defaultdict(list)
    for edge in (*_writes(analysis, wanted), *_calls(analysis), *_fired(analysis)):
        into[edge.target].append(edge)
    reached, frontier, edges = dict.fromkeys(goals), list(goals), []
    while frontier:
        node = frontier.pop()
        for edge in into[node]:
            edges.append(edge)
            if edge.source not in reached:
                reached[edge.source] = None
                frontier.append(edge.source)
    edges = list(dict.fromkeys(sorted(edges, key=lambda e: (e.source, e.span, e.target, e.kind))))
    kinds = _kinds(analysis, {str(s) for s in wanted.states})
    spans = {r.id: r.span for r in analysis.facts.routines}
    nodes = {name: Node(name, kinds.get(name, "script"), spans.get(name)) for name in sorted(reached)}
    return Graph(nodes, edges, goals)


def _kinds(analysis: Analysis, states: Iterable[str]) -> dict[str, NodeKind]:
    kinds: dict[str, NodeKind] = {r.id: "python" if r.language == "python" else "sql" for r in analysis.facts.routines}
    for call in analysis.facts.calls:
        if call.kind == "trigger":
            kinds[call.target] = "trigger"
        elif call.kind == "view" and call.source not in kinds:
            kinds[call.source] = "view"
    return {**kinds, TOP_LEVEL: "script", CRON: "cron", **dict.fromkeys(states, "state")}


def _writes(analysis: Analysis, wanted: Targets) -> Iterator[Edge]:
    """From each writer to the state, with what its write lacks."""
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in analysis.verdicts:
        verdicts[f"{verdict.write.routine}|{verdict.write.key}"].append(verdict)
    for write in analysis.facts.writes:
        for state in wanted.states:
            if write.effect == "other" or not _touches(write, state.relation, state.column):
                continue
            lacks = tuple((v.effect, v.status) for v in verdicts[f"{write.routine}|{write.key}"] if v.status not in GOOD)
            to = f" to {' | '.join(write.state_values)}" if write.state_values else ""
            source = CRON if write.routine == TOP_LEVEL and "scheduled" in write.guards else write.routine
            yield Edge(source, str(state), "writes", f"{write.verb}{to}{'' if write.effect == 'state' else ' (maybe)'}", write.span, lacks)
    for action in analysis.facts.fk_actions:
        for state in wanted.states:
            if same_relation(state.relation, action.relation) and (action.action == "cascade" or state.column in action.columns):
                for write in _raising(analysis, action.target, (action.event,)):
                    yield Edge(write.routine, str(state), "cascade", f"on {action.event} {action.action}", action.span)


def _touches(write: Write, relation: str, column: str) -> bool:
    if not (same_relation(relation, write.relation) or ("*" in write.relation and may_be(relation, write.relation))):
        return False
    return not write.state_columns or column in write.state_columns or write.verb in ("delete", "truncate", "drop", "detach")


def _calls(analysis: Analysis) -> Iterator[Edge]:
    for call in analysis.facts.calls:
        if call.kind in ("trigger", "default", "policy"):
            continue
        cron = call.kind == "cron"
        source = CRON if cron and call.source == TOP_LEVEL else call.source
        yield Edge(source, call.target, call.kind, _LABELS.get(call.kind, "calls"), call.span)


_LABELS = {"cron": "scheduled", "dynamic": "calls in text", "view": "through a view"}


def _fired(analysis: Analysis) -> Iterator[Edge]:
    """Who changes a table runs the functions of its triggers, of its columns' defaults and of its policies."""
    for trigger in analysis.facts.triggers:
        off = {"D": ", disabled", "R": ", replicas only"}.get(trigger.enabled, "")
        for body in analysis.catalog.named(trigger.function):
            for write in _raising(analysis, trigger.relation, trigger.events):
                yield Edge(write.routine, body.routine.id, "trigger", f"{write.verb} fires {trigger.name}{off}", write.span)
    for call in analysis.facts.calls:
        if call.kind in ("default", "policy"):
            for write in _raising(analysis, call.source, ("insert", "update", "delete") if call.kind == "policy" else ("insert",)):
                yield Edge(write.routine, call.target, call.kind, f"{call.kind} of {call.source}", write.span)


def _raising(analysis: Analysis, relation: str, events: tuple[str, ...]) -> Iterator[Write]:
    """The writes that raise one of these events on a table."""
    for write in analysis.facts.writes:
        raised = {"merge": {"insert", "update", "delete"}, "copy": {"insert"}}.get(write.verb, {write.verb})
        if write.upsert:
            raised = raised | {"update"}
        if raised & set(events) and (same_relation(relation, write.relation) or may_be(relation, write.relation)):
            yield write
