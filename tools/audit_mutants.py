"""Our own schema under `tollway audit mutate --both`: whatever owes an effect must turn a verdict, and everything must fail the exercise.

    python tools/audit_mutants.py              all of them, about five minutes
    python tools/audit_mutants.py 'take out'   those whose name has this text

The server is an embedded one, made and thrown away.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tollway.audit.commands import main
from tollway.embedded import EmbeddedPostgres, throwaway_folder

ROOT = Path(__file__).resolve().parents[1]
SQL = ROOT / "src" / "tollway" / "sql"
TESTS = ROOT / "tests" / "audit" / "dynamic"
ARGUMENTS = [
    *("--before", str(TESTS / "before.sql"), "--config", str(SQL / "tollway-audit.toml"), str(SQL)),
    *("--check", f"{sys.executable} {TESTS / 'exercise.py'} {{dsn}}", "--both"),
]
FAST = {"fsync": "off", "full_page_writes": "off"}


def run(only: str) -> int:
    """The exit code of `mutate`."""
    folder = throwaway_folder() / "tollway-audit-mutants"
    folder.mkdir(mode=0o755, exist_ok=True)
    try:
        with EmbeddedPostgres(folder / "pg", settings=FAST) as server:
            return main(["mutate", "--dsn", server.dsn, *ARGUMENTS, *(("--only", only) if only else ())])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1] if len(sys.argv) > 1 else ""))
