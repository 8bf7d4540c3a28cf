"""A virtual environment for each peer, made once from its pinned file, under $TOLLWAY_BENCH_CACHE or ~/.cache/tollway-bench."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from harness.system import System

PEERS = Path(__file__).parent.parent / "peers"


def cache() -> Path:
    given = os.environ.get("TOLLWAY_BENCH_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "tollway-bench"


def python_of(system: type[System]) -> Path:
    """The interpreter that has the system; its environment is made if it is not there.

    Its folder is named by what the pinned file says, so that a changed file makes a new one.
    """
    if system.requirements is None:
        return Path(sys.executable)
    file = PEERS / system.requirements
    digest = hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache() / f"{file.stem}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making {folder} from {file.name}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check", "--requirement", file], check=True
        )
        (folder / "complete").touch()
    return python


def versions_of(system: type[System]) -> dict[str, str]:
    """Of the packages that matter, as installed."""
    wanted = ("tollway", "absurd-sdk", "dbos", "procrastinate", "pgqueuer")
    code = "import importlib.metadata as m, json; print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
    done = subprocess.run([python_of(system), "-c", code], check=True, capture_output=True, text=True)
    installed = json.loads(done.stdout)
    return {name: installed[name] for name in wanted if name in installed}
