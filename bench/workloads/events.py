"""Events: milliseconds from before one is emitted to its waiting workflow going on; one event for many."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bed import Bed
from harness.samples import Sample, percentile

GAP = (0.1, 0.4)
CONCURRENCY = 1000
"""DBOS keeps a slot for each that waits."""


def events(bed: Bed, *, tasks: int, waiters: int) -> Iterator[Sample]:
    bed.start_workers(1, CONCURRENCY, "tuned")
    bed.spawn("wait", tasks)
    bed.until(lambda: bed.one(bed.system.waiting) == tasks)
    found = bed.client.call("resumed", numbers=list(range(tasks)), gap=GAP)
    for percent in (50, 99):
        yield Sample("events", f"emit to resumed, p{percent}", "ms", percentile(found, percent))
    bed.until(lambda: bed.one(bed.system.done) == tasks)
    bed.spawn("wait_all", waiters, first=tasks)
    bed.until(lambda: bed.one(bed.system.waiting) == waiters)
    first, last = bed.client.call("resumed_all", first=tasks, count=waiters)
    yield Sample("events", "one event, many waiters: first goes on", "ms", first)
    yield Sample("events", "one event, many waiters: last goes on", "ms", last)
    bed.until(lambda: bed.one(bed.system.done) == tasks + waiters)
    bed.check("tasks failed", bed.one(bed.system.failed), 0)
