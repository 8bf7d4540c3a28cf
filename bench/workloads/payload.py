"""No-op tasks with arguments of several sizes: queued in bulk, and run."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bed import Bed
from harness.samples import Sample

SIZES = {"100 B": (100, 1.0), "2 KB": (2_000, 1.0), "100 KB": (100_000, 0.04)}
"""Bytes, and what part of the tasks."""


def payload(bed: Bed, *, tasks: int) -> Iterator[Sample]:
    for name, (size, part) in SIZES.items():
        count = max(1, bed.count(round(tasks * part)))
        yield Sample("payload", f"{name}: queued in bulk", "per second", bed.spawn("noop", count, body="x" * size))
        yield Sample("payload", f"{name}: run", "per second", count / bed.drain(count))
