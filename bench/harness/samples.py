"""One measured number, and what many of them come to."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

OURS = "tollway"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one round."""

    workload: str
    variant: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Taken:
    """A sample with where it comes from."""

    sample: Sample
    key: str
    """The workload's name in its plan."""
    system: str
    round: int


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is at least as large as `percent` of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * percent // 100) - 1).__int__())]


def spread(values: Iterable[float]) -> dict[str, Any]:
    kept = list(values)
    return {"median": _short(statistics.median(kept)), "min": _short(min(kept)), "max": _short(max(kept)), "n": len(kept)}


def results(taken: Sequence[Taken]) -> list[dict[str, Any]]:
    """One row for each workload, variant and system."""
    groups: dict[tuple[str, str, str, str], list[float]] = {}
    for t in taken:
        groups.setdefault((t.sample.workload, t.sample.variant, t.system, t.sample.unit), []).append(t.sample.value)
    keys = ("workload", "variant", "system", "unit")
    return [{**dict(zip(keys, group, strict=True)), **spread(values)} for group, values in groups.items()]


def ratios(taken: Sequence[Taken]) -> list[dict[str, Any]]:
    """Ours over each other system, of the same round: what disturbed one has probably disturbed both.

    Raises: ValueError, when a variant has two units, of which it would keep one.
    """
    units: dict[tuple[str, str], str] = {}
    for t in taken:
        if units.setdefault((t.sample.workload, t.sample.variant), t.sample.unit) != t.sample.unit:
            raise ValueError(f"{t.sample.workload}, {t.sample.variant} has two units: name what is measured in the variant")
    values = {(t.sample.workload, t.sample.variant, t.system, t.round): t.sample.value for t in taken}
    groups: dict[tuple[str, str, str], list[float]] = {}
    for (workload, variant, system, number), value in values.items():
        own = values.get((workload, variant, OURS, number))
        if system != OURS and own is not None and value:
            groups.setdefault((workload, variant, system), []).append(own / value)
    keys = ("workload", "variant", "ours_over")
    rows = []
    for group, found in groups.items():
        row = {**dict(zip(keys, group, strict=True)), **spread(found)}
        del row["n"]
        rows.append(row)
    return rows


def _short(value: float) -> float:
    """Four digits, as more are noise."""
    return float(f"{value:.4g}") if abs(value) < 1000 else round(value)
