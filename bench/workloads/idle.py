"""What a worker costs that has nothing to do: to import, to keep in memory, in CPU and in transactions."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from harness.bed import Bed
from harness.samples import Sample
from harness.venvs import python_of

IMPORTS = 5
SETTLED = 12.0
"""Seconds before it is watched, so that nothing older is counted: an idle session reports its transactions after ten."""
REPORTED = 1.5


def idle(bed: Bed, *, seconds: int) -> Iterator[Sample]:
    yield Sample("idle", "import", "ms", statistics.median(_import_ms(bed) for _ in range(IMPORTS)))
    bed.start_workers(1, 20, "defaults")
    bed.spawn("noop", 10)
    bed.until(lambda: bed.one(bed.system.done) == 10)
    bed.client.stop()  # only the worker is left
    time.sleep(SETTLED)
    process = bed.workers[0].pid
    transactions, cpu = _transactions(bed), _cpu_ms(process)
    time.sleep(seconds)
    yield Sample("idle", "memory of a worker", "MB", _resident_mb(process))
    yield Sample("idle", "CPU of a worker", "ms a second", (_cpu_ms(process) - cpu) / seconds)
    yield Sample("idle", "connections of a worker", "count", bed.one(CONNECTIONS))
    bed.workers[0].check()
    bed.stop_workers()
    # a session reports what it did at the latest when it ends: then none is missed
    yield Sample("idle", "transactions of a worker", "a second", (_transactions(bed) - transactions) / seconds)


CONNECTIONS = """select count(*) from pg_stat_activity
                 where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"""


def _import_ms(bed: Bed) -> float:
    code = f"import time; t = time.perf_counter(); import {bed.system.module}; print((time.perf_counter() - t) * 1000)"
    return float(subprocess.run([python_of(bed.system), "-c", code], check=True, capture_output=True, text=True).stdout)


def _transactions(bed: Bed) -> int:
    time.sleep(REPORTED)
    bed.sql.execute("select pg_stat_force_next_flush()")
    bed.asked += 1
    return int(bed.one("select xact_commit from pg_stat_database where datname = current_database()")) - bed.asked


def _cpu_ms(process: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _resident_mb(process: int) -> float:
    (line,) = (line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
