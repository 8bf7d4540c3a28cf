"""A steady load under a snapshot that somebody holds open, so that no dead row can be removed: how claims become slower."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
from harness.bed import Bed
from harness.samples import Sample, percentile

PROBES = 8
BURST = 2_000
MOMENTS = 5
DEAD = "select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables"


def pinned(bed: Bed, *, seconds: int, per_second: int) -> Iterator[Sample]:
    bed.start_workers(1, 50, "tuned")
    with psycopg.connect(bed.dsn) as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from pg_class")
        fed = 0
        for moment in range(MOMENTS + 1):
            began, before = time.monotonic(), fed
            while moment > 0 and (now := time.monotonic()) < began + seconds / MOMENTS:
                due = before + int((now - began) * per_second) - fed
                if due > 0:
                    bed.spawn("noop", due, first=fed)
                    fed += due
                time.sleep(0.05)
            bed.until(lambda: bed.marks.handled >= fed)  # noqa: B023 - called here
            at = f"after {moment * 100 // MOMENTS} % of {seconds} s"
            found = bed.client.call("latency", count=PROBES, gap=(0.05, 0.1))
            yield Sample("pinned snapshot", f"spawn to handler, p50, {at}", "ms", percentile([f[0] for f in found], 50))
            yield Sample("pinned snapshot", f"a burst, {at}", "per second", _burst(bed, fed))
            fed += BURST
        done = fed + (MOMENTS + 1) * PROBES
        yield Sample("pinned snapshot", "dead rows a task", "count", float(bed.one(DEAD)) / done)
    bed.until(lambda: bed.one(bed.system.done) >= done)
    bed.check("tasks done", bed.one(bed.system.done), done)
    bed.check("tasks failed or tried twice", bed.one(bed.system.failed), 0)


def _burst(bed: Bed, before: int) -> float:
    """Tasks a second while so many that came at once are worked off: from a quarter of them on, as in `pending`."""
    bed.spawn("noop", BURST, first=before)
    bed.until(lambda: bed.marks.handled >= before + BURST // 4)
    began, first = time.monotonic_ns(), bed.marks.handled
    bed.until(lambda: bed.marks.handled >= before + BURST)
    return (before + BURST - first) / ((time.monotonic_ns() - began) / 1e9)
