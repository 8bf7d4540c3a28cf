"""No-op tasks a second: they are queued first, then worker processes run until all are durably done."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bed import CONCURRENCY, Bed
from harness.samples import Sample


def drain(bed: Bed, *, tasks: int, workers: int = 1, kind: str = "noop", workload: str = "noop") -> Iterator[Sample]:
    count = bed.count(tasks)
    bed.spawn(kind, count)
    seconds = bed.drain(count, workers)
    bed.check_results(kind, count, "null")
    who = "one worker" if workers == 1 else f"{workers} workers"
    yield Sample(workload, f"{who}, concurrency {CONCURRENCY}", "per second", count / seconds)
