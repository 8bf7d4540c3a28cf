"""What changed between two analyses. Nothing is known by its line, so a moved statement is the same one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding, Unknown, Verdict, Write
from tollway.audit.prove.ladder import _ORDER
from tollway.audit.rules.common import subject
from tollway.audit.suppress.apply import unread

T = TypeVar("T")
_RANK = {status: rank for rank, status in enumerate(_ORDER)}


@dataclass(slots=True)
class Differences:
    """All of it. `worse` and `better` hold a verdict before and after."""

    new: list[Finding] = field(default_factory=list)
    gone: list[Finding] = field(default_factory=list)
    new_writes: list[Write] = field(default_factory=list)
    gone_writes: list[Write] = field(default_factory=list)
    worse: list[tuple[Verdict, Verdict]] = field(default_factory=list)
    better: list[tuple[Verdict, Verdict]] = field(default_factory=list)
    unread: list[Unknown] = field(default_factory=list)
    """What cannot be read now, and could be read, or was not there, before."""


def differences(before: Analysis, after: Analysis) -> Differences:
    """What is new, gone, worse or better."""
    old, new = _keyed(before.findings, lambda f: f.fingerprint), _keyed(after.findings, lambda f: f.fingerprint)
    old_writes, new_writes = _keyed(_states(before), subject), _keyed(_states(after), subject)
    old_verdicts, new_verdicts = _keyed(before.verdicts, _about), _keyed(after.verdicts, _about)
    old_unread, new_unread = _keyed(unread(before), _unread), _keyed(unread(after), _unread)
    both = [(old_verdicts[key], verdict) for key, verdict in new_verdicts.items() if key in old_verdicts]
    return Differences(
        new=[f for key, f in new.items() if key not in old],
        gone=[f for key, f in old.items() if key not in new],
        new_writes=[w for key, w in new_writes.items() if key not in old_writes],
        gone_writes=[w for key, w in old_writes.items() if key not in new_writes],
        worse=[(a, b) for a, b in both if _RANK[b.status] > _RANK[a.status]],
        better=[(a, b) for a, b in both if _RANK[b.status] < _RANK[a.status]],
        unread=[u for key, u in new_unread.items() if key not in old_unread],
    )


def _keyed(things: Iterable[T], name: Callable[[T], str]) -> dict[tuple[str, int], T]:
    """Each thing by its name and its number among those of the same name."""
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], T] = {}
    for thing in things:
        key = name(thing)
        found[key, seen[key]] = thing
        seen[key] += 1
    return found


def _states(analysis: Analysis) -> Sequence[Write]:
    return sorted((w for w in analysis.facts.writes if w.effect != "other"), key=lambda w: w.span)


def _about(verdict: Verdict) -> str:
    return f"{subject(verdict.write)}|{verdict.effect}"


def _unread(unknown: Unknown) -> str:
    return f"{unknown.kind}|{unknown.routine}|{unknown.detail}"
