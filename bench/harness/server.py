"""The embedded PostgreSQL with its settings as they come, and a fresh database for each measurement."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tollway.embedded import EmbeddedPostgres

_numbers = itertools.count()


class Server:
    """One server for a whole run of the bench."""

    def __init__(self, embedded: EmbeddedPostgres, folder: Path) -> None:
        self.dsn = embedded.dsn
        self.folder = folder

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The connection string of an empty database, which is dropped afterwards; the server has written its buffers before."""
        name = f"bench_{next(_numbers)}"
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            admin.execute(f"create database {name}".encode())
            admin.execute("checkpoint")
        try:
            yield self.dsn.replace("/postgres?", f"/{name}?")
        finally:
            with psycopg.connect(self.dsn, autocommit=True) as admin:
                admin.execute(f"drop database {name} with (force)".encode())

    def facts(self) -> dict[str, Any]:
        """What the numbers depend on."""
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            settings = admin.execute(
                "select name, setting from pg_settings where name in"
                " ('fsync', 'synchronous_commit', 'shared_buffers', 'max_connections', 'wal_level', 'autovacuum', 'server_version')"
            ).fetchall()
        return {"postgresql": dict(settings)}

    def commits_per_second(self, seconds: float) -> float:
        """Of one connection that inserts a row a transaction: what the machine allows to an engine that commits each step by itself."""
        with self.database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create table line (id bigint primary key, note text not null)")
            count, began = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - began) < seconds:
                connection.execute("insert into line values (%s, 'a line')", (count,), prepare=True)
                count += 1
        return count / elapsed

    def idle_commit_ms(self, times: int) -> float:
        """The median of such a commit after a quarter of a second in which nothing was done: caches are cold, the processor sleeps."""
        with self.database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create table line (id bigint primary key, note text not null)")
            took: list[float] = []
            for number in range(times):
                time.sleep(0.25)
                began = time.perf_counter()
                connection.execute("insert into line values (%s, 'a line')", (number,), prepare=True)
                took.append((time.perf_counter() - began) * 1000)
        return statistics.median(took)


@contextlib.contextmanager
def started() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="tollway-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres(folder / "pg") as embedded:
            yield Server(embedded, folder)


def machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = os.getloadavg()[0]
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(load, 2),
    }
