"""One file for each workload, in the order in which they are run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.bed import Bed
from harness.samples import Sample


class Measure(Protocol):
    def __call__(self, bed: Bed, **counts: Any) -> Iterator[Sample]: ...


@dataclass(frozen=True, slots=True)
class Workload:
    """What is done to one system in one fresh database."""

    measure: Measure
    needs: frozenset[str]
    """A system without one of these is left out."""
    counts: dict[str, Any] = field(default_factory=dict)
    scaled: frozenset[str] = frozenset({"tasks", "workflows", "each", "bulk", "pending", "waiters", "seconds"})
    """Those counts that --scale makes smaller."""
    only: tuple[str, ...] = ()
    """These systems, whatever was asked for."""
    rounds: int | None = None
    """Instead of the plan's, for what takes long."""
