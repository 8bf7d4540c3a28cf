"""An idle worker: milliseconds from before a task is queued to its handler, and to its result at the client."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bed import Bed
from harness.samples import Sample, percentile

GAPS = {"defaults": (0.15, 1.15), "tuned": (0.1, 0.3)}
"""Seconds between two tasks, at random: over at least as long as it takes from one look of a worker to the next (DBOS: a second)."""
PERCENTS = (50, 95, 99)
CONCURRENCY = 20


def latency(bed: Bed, *, tasks: int) -> Iterator[Sample]:
    bed.spawn("noop", 10)
    for configuration, gap in GAPS.items():
        bed.marks.reset()
        bed.start_workers(1, CONCURRENCY, configuration)
        if configuration == "defaults":
            bed.until(lambda: bed.one(bed.system.done) == 10)  # it has worked, and is idle again
        found = bed.client.call("latency", count=tasks, gap=gap)
        bed.stop_workers()
        for name, values in (("to handler", [f[0] for f in found]), ("to result", [f[1] for f in found])):
            bed.check("no task began before it was queued", min(values) > 0, True)
            for percent in PERCENTS:
                yield Sample("latency", f"spawn {name}, p{percent}, {configuration}", "ms", percentile(values, percent))
    bed.check("tasks failed or tried twice", bed.one(bed.system.failed), 0)
