"""How long `tollway audit scan` takes, cold and warm, in this process and as a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
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
    return subprocess.run([sys.executable, "-m", "tollway.audit", "scan", ".", *more], capture_output=True, text=True, check=False).stdout


def median(scan: Callable[..., str], *more: str) -> tuple[float, set[str]]:
    """Seconds, and the different outputs."""
    seconds, outputs = [], set()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        outputs.add(scan(*more))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), outputs


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
            cold, printed = median(scan, "--no-cache")
            warm, again = median(scan)
            if len(printed | again) != 1:
                print("the warm scan printed something else", file=sys.stderr)
                return 1
            print(f"{name:<16} cold {cold * 1000:6.0f} ms   warm {warm * 1000:6.0f} ms   {cold / warm:5.1f} times as fast")
            found[name] = {"cold_ms": round(cold * 1000, 1), "warm_ms": round(warm * 1000, 1), "ratio": round(cold / warm, 1)}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
