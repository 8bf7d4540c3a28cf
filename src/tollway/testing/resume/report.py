"""What `env.assert_resume_safe` did, when all went well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kill:
    """One run with a killed worker. `moment` is `before` or `after` the commit."""

    commit: str
    moment: str
    reruns: Mapping[str, int]
    """How often each body ran that ran more often than without a kill. A transaction's counts when it was committed."""


@dataclass(frozen=True, slots=True)
class ResumeReport:
    """`result` is the workflow's, `commits` what it commits, in order, when nobody kills it."""

    result: Any
    commits: tuple[str, ...]
    kills: tuple[Kill, ...]

    @property
    def reruns(self) -> dict[str, int]:
        """The steps whose body ran again after one of the kills, and how often it ran in all. They need to be idempotent."""
        most: dict[str, int] = {}
        for kill in self.kills:
            for step, count in kill.reruns.items():
                most[step] = max(count, most.get(step, 0))
        return most

    def __str__(self) -> str:
        again = ", ".join(f"{step!r} ({count} times)" for step, count in sorted(self.reruns.items())) or "none"
        return f"{len(self.commits)} commits, {len(self.kills)} kills, the same result each time. Bodies that ran again: {again}"
