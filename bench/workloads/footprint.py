"""What one task costs the database: bytes of WAL, transactions, bytes on disk. A checkpoint comes before, none is forced within."""

from __future__ import annotations

import time
from collections.abc import Iterator

from harness.bed import Bed
from harness.samples import Sample

STATISTICS_WITHIN = 1.5
"""Seconds after which sessions that ended, or are idle, have reported what they did."""


def footprint(bed: Bed, *, tasks: int, workflows: int) -> Iterator[Sample]:
    plan = [("noop", tasks, None)]  # the same for all: full-page images are part of it
    if "steps" in bed.system.features:
        plan.append(("steps", workflows, 10))
    for kind, count, body in plan:
        what = "a no-op task" if kind == "noop" else "a ten-step workflow"
        wal, _, disk = _usage(bed)
        bed.spawn(kind, count, body=body)
        spawned = _usage(bed)
        bed.drain(count)
        after = _usage(bed)
        yield Sample("footprint", f"{what}, queued in bulk: WAL", "bytes", (spawned[0] - wal) / count)
        yield Sample("footprint", f"{what}, run: WAL", "bytes", (after[0] - spawned[0]) / count)
        yield Sample("footprint", f"{what}, run: transactions", "count", (after[1] - spawned[1]) / count)
        yield Sample("footprint", f"{what}, queued and run: disk", "bytes", (after[2] - disk) / count)


def _usage(bed: Bed) -> tuple[int, int, int]:
    """Position in the WAL, transactions but ours, size of the database: of this moment, after a vacuum and a checkpoint."""
    bed.sql.execute("vacuum")
    bed.sql.execute("checkpoint")
    time.sleep(STATISTICS_WITHIN)
    bed.sql.execute("select pg_stat_force_next_flush()")
    bed.asked += 3
    return (
        int(bed.one("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")),
        int(bed.one("select xact_commit from pg_stat_database where datname = current_database()")) - bed.asked,
        int(bed.one("select pg_database_size(current_database())")),
    )
