"""Plain SQL, as an operator types it: the bundled psql, the system's, or (where there is none) a bare connection."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg

from tollway.demo.disaster import DemoFailed
from tollway.embedded.binaries import Binaries

OPTIONS = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--pset=footer=off", "--pset=null=-")


def find_psql(version: int) -> Path | None:
    bundled = Binaries.find(version).path / "psql"
    if bundled.exists():
        return bundled
    system = shutil.which("psql")
    return Path(system) if system else None


def run_sql(psql: Path | None, dsn: str, *statements: str) -> str:
    """Execute statements, each on its own, and return what was printed."""
    if psql is None:
        return _without_psql(dsn, statements)
    commands = [f"--command={statement}" for statement in statements]
    done = subprocess.run([psql, *OPTIONS, *commands, dsn], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoFailed(f"psql failed: {done.stderr.strip()}")
    return done.stdout.rstrip()


def _without_psql(dsn: str, statements: tuple[str, ...]) -> str:
    lines = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            lines.append(" | ".join(column.name for column in cursor.description or ()))
            lines += [" | ".join("-" if value is None else str(value) for value in row) for row in cursor]
    return "\n".join(lines)
