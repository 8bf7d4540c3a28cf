"""The SQL that ships with this release, in the order it is installed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

SQL_DIR = Path(__file__).resolve().parent.parent / "sql"
_STRUCTURE = ("10_tables",)
_CODE = ("20_gate", "30_internal", "40_api", "50_views")
ROLES_FILE = "60_roles.sql"


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file: its path below the SQL folder, its text, and the text's checksum."""

    path: str
    text: str
    checksum: str

    @classmethod
    def read(cls, root: Path, file: Path) -> SqlFile:
        text = file.read_text(encoding="utf-8")
        return cls(file.relative_to(root).as_posix(), text, hashlib.sha256(text.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Release:
    """What a release installs: `structure` on a fresh database only, `migrations` on an older one, `code` always."""

    structure: tuple[SqlFile, ...]
    migrations: tuple[tuple[int, SqlFile], ...]
    code: tuple[SqlFile, ...]
    test_clock: tuple[SqlFile, ...]

    @property
    def version(self) -> int:
        """The structure's version: 1 as first released, then the newest migration's number."""
        return max((number for number, _ in self.migrations), default=1)


def read_release(root: Path = SQL_DIR) -> Release:
    """Read the SQL folder; a migration's file name begins with its number, the first being 0002."""
    folder = {name: tuple(SqlFile.read(root, f) for f in sorted((root / name).glob("*.sql"))) for name in (*_STRUCTURE, *_CODE)}
    first = (SqlFile.read(root, root / "00_schema.sql"),) if (root / "00_schema.sql").exists() else ()
    roles = (SqlFile.read(root, root / ROLES_FILE),) if (root / ROLES_FILE).exists() else ()
    migrations = tuple((int(f.name.split("_", 1)[0]), SqlFile.read(root, f)) for f in sorted((root / "migrations").glob("*.sql")))
    return Release(
        structure=tuple(f for name in _STRUCTURE for f in folder[name]),
        migrations=migrations,
        code=first + tuple(f for name in _CODE for f in folder[name]) + roles,
        test_clock=tuple(SqlFile.read(root, f) for f in sorted((root / "test_clock").glob("*.sql"))),
    )
