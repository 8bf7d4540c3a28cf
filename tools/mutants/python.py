"""What the worker's own regressions take out of the worker: a copy of the package with one piece changed, and the test that must fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutants.regressions import table
from mutants.store import ROOT


def run() -> int:
    """Each in turn; the number of those that no test noticed."""
    silent = 0
    for number, row in table().items():
        for file, was, now, test in row.get("python", ()):
            noticed = _fails_with(file, was, now, test)
            silent += not noticed
            print(f"{'caught' if noticed else 'SURVIVED':8} {number} {file}: {was.strip().splitlines()[0][:60]:60} {test}", flush=True)
    return silent


def _fails_with(file: str, was: str, now: str, test: str) -> bool:
    path = _file_of(test)
    with tempfile.TemporaryDirectory(prefix="tollway-mutant-") as folder:
        shutil.copytree(ROOT / "src" / "tollway", Path(folder) / "tollway", ignore=shutil.ignore_patterns("__pycache__"))
        changed = Path(folder) / "tollway" / file
        text = changed.read_text(encoding="utf-8")
        assert text.count(was) == 1, f"{file} has {text.count(was)} times {was!r}"
        changed.write_text(text.replace(was, now), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-n", "0", "-p", "no:cacheprovider", str(path), "-k", test]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": folder}, capture_output=True, text=True, timeout=600, check=False
        )
    if done.returncode not in (0, 1) or not re.search(rf"FAILED \S+{test}|\[100%\]", done.stdout):
        raise AssertionError(f"{test} did not run: {done.stdout[-2000:]}")
    return done.returncode == 1


def _file_of(test: str) -> Path:
    (path,) = (p for p in (ROOT / "tests").rglob("test_*.py") if f"def {test}(" in p.read_text(encoding="utf-8"))
    return path
