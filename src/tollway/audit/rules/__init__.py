"""The rules. Each is a module with ID, TITLE, WHY and `check(analysis)`; its id never changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import ModuleType

from tollway.audit.analysis import Analysis
from tollway.audit.model import Finding
from tollway.audit.rules import (
    bp001,
    bp002,
    bp003,
    bp004,
    bp005,
    bp006,
    bp007,
    bp008,
    bp009,
    bp010,
    bp011,
    bp012,
    bp013,
    bp014,
    bp015,
    bp016,
)
from tollway.audit.suppress.apply import apply

RULES: tuple[ModuleType, ...] = (
    bp001, bp002, bp003, bp004, bp005, bp006, bp007, bp008, bp009, bp010, bp011, bp012, bp013, bp014, bp015, bp016,
)  # fmt: skip

_ON_EFFECTS = frozenset({"BP001", "BP002", "BP003", "BP010", "BP011"})


def check(analysis: Analysis) -> list[Finding]:
    """Every finding that is not suppressed, by rule and place, told apart where their subjects are the same."""
    found = _numbered(analysis, _all(analysis, [rule for rule in RULES if rule is not bp016]))
    left = apply(analysis, found)
    return [*left, *_numbered(analysis, _all(analysis, [bp016]))]


def _numbered(analysis: Analysis, findings: Iterable[Finding]) -> list[Finding]:
    seen: Counter[tuple[str, str]] = Counter()
    found: list[Finding] = []
    for finding in findings:
        key = (finding.id, finding.subject or finding.message)
        guessed = analysis.guessed and finding.id in _ON_EFFECTS
        found.append(replace(finding, ordinal=seen[key], confidence="inferred" if guessed else "sure"))
        seen[key] += 1
    return found


def _all(analysis: Analysis, rules: Iterable[ModuleType]) -> Iterator[Finding]:
    for rule in rules:
        if rule.ID not in analysis.config.ignore:
            yield from sorted(rule.check(analysis), key=lambda f: f.span)
