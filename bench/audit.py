"""How long `tollway audit scan` takes, cold and warm, in this process and as a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tollway.audit.commands import main as audit

ROOT = Path(__file__).parents[1]
SQL = ROOT / "src" / "tollway" / "sql"
RESULTS = Path(__file__).parent / "results" / "audit.json"
ROUNDS = 9


def inside(*more: str) -> str:
    """One scan in this process; what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        audit(["scan", ".", *more])
    return printed.getvalue()


def outside(*more: str) -> str:
    """One scan as a process: with the start of Python."""
    return subprocess.run(
        [sys.executable, "-m", "tollway", "audit", "scan", ".", *more], capture_output=True, text=True, check=False
    ).stdout


def spent() -> float:
    """Seconds of processor time of this process and of those it has waited for. Unlike the clock, it does not count the neighbours."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def pairs(scan: Callable[..., str]) -> tuple[dict[str, float], set[str]]:
    """Median milliseconds of cold and warm scans that take turns, and the different outputs."""
    taken: dict[str, list[float]] = {"cold_ms": [], "cold_cpu_ms": [], "warm_ms": [], "warm_cpu_ms": []}
    outputs = set()
    for _ in range(ROUNDS):
        for name, more in (("cold", ("--no-cache",)), ("warm", ())):
            began, used = time.perf_counter(), spent()
            outputs.add(scan(*more))
            taken[f"{name}_ms"].append((time.perf_counter() - began) * 1000)
            taken[f"{name}_cpu_ms"].append((spent() - used) * 1000)
    return {name: round(statistics.median(values), 1) for name, values in taken.items()}, outputs


def main() -> int:
    """Measure, print, write bench/results/audit.json. 1: the warm output is not the cold one."""
    lines = sum(len(file.read_text("utf-8").splitlines()) for file in SQL.rglob("*.sql"))
    found: dict[str, object] = {"python": platform.python_version(), "lines": lines, "rounds": ROUNDS}
    print(f"{lines} lines of SQL, median of {ROUNDS}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        os.chdir(SQL)
        inside(), outside()  # imports, compiled modules, and the first answer
        for name, scan in (("in this process", inside), ("as a process", outside)):
            times, printed = pairs(scan)
            if len(printed) != 1:
                print("the warm scan printed something else", file=sys.stderr)
                return 1
            cold, warm = times["cold_cpu_ms"], times["warm_cpu_ms"]
            print(f"{name:<16} cold {cold:6.0f} ms   warm {warm:6.0f} ms   {cold / warm:5.1f} times as fast (processor time)")
            found[name] = {**times, "ratio": round(cold / warm, 1)}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
