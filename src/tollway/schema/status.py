"""What is installed, and where it differs from this release or from itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tollway.schema.files import Release, read_release
from tollway.schema.install import connect, ensure_current


@dataclass(frozen=True, slots=True)
class Drift:
    """One disagreement: the invariant's name, the queue and task it is about, and what was found."""

    invariant: str
    queue_name: str | None
    task_id: str | None
    detail: Any


def verify(dsn: str, *, release: Release | None = None) -> list[Drift]:
    """Compare the installed code with this release's files, and ask the database to verify itself.

    Raises:
        SchemaMismatch: the structure is missing, behind or ahead (TW402).
        DatabaseUnreachable: the database does not answer (TW501).
    """
    chosen = release or read_release()
    with connect(dsn) as connection:
        ensure_current(connection)
        installed: dict[Any, Any] = dict(connection.execute("select path, checksum from absurd.schema_file").fetchall())  # type: ignore[arg-type]
        wanted = {f.path: f.checksum for f in chosen.code}
        drift = [
            Drift("code_is_this_releases", None, None, {"file": path})
            for path in sorted(wanted.keys() | (installed.keys() - {f.path for f in chosen.test_clock}))
            if installed.get(path) != wanted.get(path)
        ]
        rows = connection.execute("select invariant, queue_name, task_id::text, detail from absurd.verify()").fetchall()
    return drift + [Drift(str(r[0]), r[1], r[2], r[3]) for r in rows]  # type: ignore[arg-type]


def show(dsn: str) -> dict[str, Any]:
    """The installed structure version, release, clock, migrations and number of code files."""
    chosen = read_release()
    with connect(dsn) as connection:
        ensure_current(connection)
        meta = connection.execute("select tollway_version, incarnation, test_clock, installed_at from absurd.schema_meta").fetchone()
        migrations = connection.execute("select version, name, applied_at from absurd.schema_migration order by version").fetchall()
        files = connection.execute("select count(*) from absurd.schema_file").fetchone()
        server = connection.execute("show server_version").fetchone()
    assert meta
    assert files
    assert server
    return {
        "structure_version": chosen.version,
        "tollway_version": meta[0],
        "incarnation": meta[1],
        "test_clock": meta[2],
        "installed_at": str(meta[3]),
        "server_version": server[0],
        "code_files": files[0],
        "migrations": [{"version": v, "name": n, "applied_at": str(at)} for v, n, at in migrations],
    }
