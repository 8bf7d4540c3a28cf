"""Side effects that a change of state seems to owe, told from what the project does already."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tollway.audit.analysis import Analysis
from tollway.audit.config import Requirement
from tollway.audit.model import Write
from tollway.audit.parse.names import same_relation, short
from tollway.audit.prove.ladder import Prover

_LOG = re.compile(r"(?:.*_)?(?:log|logs|audit|history|outbox|events?|journal|changes|transitions?|notifications?)(?:_.*)?")
_STATUS = re.compile(r"(?:.*_)?(?:status|statuses|state_log)")
_PAIR = re.compile(r"(?:from|old|previous)_(?:state|status)")
_MANY = 3
_DONE = frozenset({"guaranteed", "same statement", "same block", "callee", "guarded", "conditional"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A requirement with its evidence: how many of the changes that would owe it have it, at least on some path."""

    need: Requirement
    done: int
    changes: int

    @property
    def strong(self) -> bool:
        """Most changes do it: the others look like mistakes."""
        return self.done * 2 > self.changes


def candidates(analysis: Analysis) -> list[Candidate]:
    """For each state table, the tables that look like a record of its changes, best evidence first."""
    found: list[Candidate] = []
    for table in dict.fromkeys(s.relation for s in analysis.states):
        writes = [w for w in analysis.facts.writes if w.effect == "state" and same_relation(table, w.relation)]
        for target in _targets(analysis, table):
            found += _judge(analysis, table, target, writes)
    return sorted(found, key=lambda c: (-c.done / c.changes, c.need.tables, c.need.target))


def strong(analysis: Analysis) -> tuple[Requirement, ...]:
    """The requirements that most changes of state already meet."""
    return tuple(c.need for c in candidates(analysis) if c.strong)


def looks_like_a_record(analysis: Analysis, table: str) -> bool:
    """Is this table, by its name or its columns, a log, a history, an outbox or a mirrored status?"""
    if _LOG.fullmatch(short(table)) or _STATUS.fullmatch(short(table)):
        return True
    known = analysis.catalog.table(table)
    return known is not None and any(_PAIR.fullmatch(column) for column in known.columns)


def _targets(analysis: Analysis, table: str) -> list[str]:
    """Tables into which somebody inserts, and which could record the changes of `table`."""
    inserted = dict.fromkeys(w.relation for w in analysis.facts.writes if w.verb in ("insert", "merge"))
    states = [s.relation for s in analysis.states]
    return [t for t in inserted if "*" not in t and not same_relation(table, t) and not any(same_relation(s, t) for s in states)]


def _judge(analysis: Analysis, table: str, target: str, writes: list[Write]) -> Iterator[Candidate]:
    """One candidate for the verbs that have the effect more often than not; else one for updates."""
    record = looks_like_a_record(analysis, target)
    prover = Prover(analysis, Requirement(short(target), "insert", target, (table,)))
    done: dict[str, int] = {}
    every: dict[str, int] = {}
    for write in writes:
        every[write.verb] = every.get(write.verb, 0) + 1
        done[write.verb] = done.get(write.verb, 0) + (prover.verdict(write).status in _DONE)
    verbs = tuple(sorted(v for v in every if done[v] * 2 > every[v])) or (("update",) if done.get("update") else ())
    changes, with_it = sum(every[v] for v in verbs), sum(done[v] for v in verbs)
    if "update" not in verbs and "merge" not in verbs:  # rows that only come or go together are parts of one thing
        return
    if not record and (with_it < _MANY or with_it * 4 < changes * 3):
        return
    if with_it:
        all_verbs = () if set(verbs) == set(every) else verbs
        yield Candidate(Requirement(short(target), "insert", target, (table,), all_verbs), with_it, changes)
