"""A steady load under a snapshot that somebody holds open, so that no dead row can be removed: how a claim's latency grows."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
from harness.bed import Bed
from harness.samples import Sample, percentile

PROBES = 8
MOMENTS = 5
DEAD = "select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables"


def pinned(bed: Bed, *, seconds: int, per_second: int) -> Iterator[Sample]:
    bed.start_workers(1, 50, "tuned")
    with psycopg.connect(bed.dsn) as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from pg_class")
        fed, began = 0, time.monotonic()
        for moment in range(MOMENTS):
            ends = began + seconds * (moment + 1) / MOMENTS
            while (now := time.monotonic()) < ends:
                due = int((now - began) * per_second) - fed
                if due > 0:
                    bed.spawn("noop", due, first=fed)
                    fed += due
                time.sleep(0.05)
            found = bed.client.call("latency", count=PROBES, gap=(0.05, 0.1))
            at = f"after {(moment + 1) * 100 // MOMENTS} % of {seconds} s"
            yield Sample("pinned snapshot", f"spawn to handler, p50, {at}", "ms", percentile([f[0] for f in found], 50))
        yield Sample("pinned snapshot", "dead rows a task", "count", float(bed.one(DEAD)) / (fed + MOMENTS * PROBES))
    done = fed + MOMENTS * PROBES
    bed.until(lambda: bed.one(bed.system.done) >= done)
    bed.check("tasks done", bed.one(bed.system.done), done)
    bed.check("tasks failed or tried twice", bed.one(bed.system.failed), 0)
