"""Install and migrate: structure changes by numbered migrations, code is put in anew as a whole, all in one transaction."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from importlib.metadata import version as package_version
from typing import cast

import psycopg
from psycopg import errors as pg

from tollway.errors import DatabaseUnreachable, ForeignSchema, SchemaMismatch
from tollway.schema.files import ROLES_FILE, Release, SqlFile, read_release
from tollway.schema.roles import become_owner, create_roles, create_schema

# Any number that is ours alone: two installations of one database wait for each other on it.
_INSTALL_LOCK = 7_250_417_118_003
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did: the structure's version before (0: none) and after, and the code files it put in."""

    version_before: int
    version: int
    migrations: tuple[str, ...]
    code_files: int
    test_clock: bool


def install(dsn: str, *, test_clock: bool = False, release: Release | None = None) -> Installed:
    """Install the schema, or bring it to this release; safe when two run at once, and again at any time.

    `test_clock` lets tests set the time of `absurd.current_time()`; it stays until the schema is dropped.

    Raises:
        ForeignSchema: schema absurd is there and another program made it (TW401).
        SchemaMismatch: the database is newer than this release, or a migration was edited (TW402).
        DatabaseUnreachable: the database does not answer (TW501).
    """
    chosen = release or read_release()
    for attempt in range(_ATTEMPTS):
        try:
            with connect(dsn) as connection, connection.transaction():
                return _install(connection, chosen, test_clock)
        except (pg.LockNotAvailable, pg.DeadlockDetected, pg.UniqueViolation, pg.InternalError) as error:
            # workers hold their locks briefly; "tuple concurrently updated" is two installations making one role
            if attempt == _ATTEMPTS - 1 or isinstance(error, pg.RaiseException):
                raise
            time.sleep(random.uniform(0.1, 0.4) * (attempt + 1))
    raise AssertionError("unreachable")


def migrate(dsn: str) -> Installed:
    """Bring an installed schema to this release.

    Raises:
        SchemaMismatch: there is none to migrate (TW402); and as `install`.
    """
    with connect(dsn) as connection:
        if _installed_version(connection) == 0:
            raise SchemaMismatch("there is no schema to migrate", hint="Run `tollway schema install`.")
    return install(dsn)


def ensure_current(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Refuse to work with a database whose structure is not this release's.

    Raises:
        SchemaMismatch: it is missing, behind or ahead (TW402).
    """
    found, wanted = _installed_version(connection), read_release().version
    if found == wanted:
        return
    if found == 0:
        raise SchemaMismatch("the schema is not installed", hint="Run `tollway schema install`.")
    hint = "Run `tollway schema migrate`." if found < wanted else "Update tollway: another release has migrated this database."
    raise SchemaMismatch(f"the database has structure version {found}, this release needs {wanted}", hint=hint)


def connect(dsn: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection, or the one clear error that there is none to have."""
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(
            f"the database does not answer: {str(error).strip().splitlines()[-1]}",
            hint="Check the connection string, and that the server runs.",
        ) from error


def _install(connection: psycopg.Connection[tuple[object, ...]], release: Release, test_clock: bool) -> Installed:
    execute = connection.execute
    execute("select pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
    execute("set local lock_timeout = '5s'")
    execute("set local check_function_bodies = on")
    execute("set local client_min_messages = warning")
    before = _installed_version(connection)
    if before > release.version:
        raise SchemaMismatch(
            f"the database has structure version {before}, this release only {release.version}",
            hint="Update tollway: another release has migrated this database.",
        )
    create_roles(connection)
    if before == 0:
        create_schema(connection)
    become_owner(connection)
    applied: tuple[str, ...] = ()
    if before == 0:
        # current_time() stands in the tables' defaults
        _run(connection, tuple(f for f in release.code if f.path == "00_schema.sql"))
        _run(connection, release.structure)
        execute("insert into absurd.schema_migration (version, name, checksum) values (1, 'structure', '')")
        _record_migrations(connection, release)
    else:
        applied = _apply_migrations(connection, release, before)
    _reinstall_code(connection, release, test_clock)
    return Installed(before, release.version, applied, len(release.code), _has_test_clock(connection))


def _installed_version(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """The structure's version; 0 without a schema."""
    row = connection.execute("select to_regnamespace('absurd') is not null, to_regclass('absurd.schema_migration') is not null").fetchone()
    assert row is not None
    if not row[0]:
        return 0
    if not row[1]:
        raise ForeignSchema(
            "schema absurd is in this database already, and Tollway did not make it",
            hint="Absurd itself, or something else, uses that name. Give Tollway a database of its own; its SDKs connect there.",
        )
    found = connection.execute("select max(version) from absurd.schema_migration").fetchone()
    return cast(int, found[0]) if found and found[0] else 0


def _apply_migrations(connection: psycopg.Connection[tuple[object, ...]], release: Release, before: int) -> tuple[str, ...]:
    recorded = dict(cast("list[tuple[int, str]]", connection.execute("select version, checksum from absurd.schema_migration").fetchall()))
    applied = []
    for number, file in release.migrations:
        if number <= before:
            if recorded.get(number, file.checksum) != file.checksum:
                raise SchemaMismatch(
                    f"migration {file.path} is not the one that was applied", hint="A released migration never changes: add another."
                )
            continue
        _run(connection, (file,))
        _record_migration(connection, number, file)
        applied.append(file.path)
    return tuple(applied)


def _record_migrations(connection: psycopg.Connection[tuple[object, ...]], release: Release) -> None:
    for number, file in release.migrations:
        _record_migration(connection, number, file)


def _record_migration(connection: psycopg.Connection[tuple[object, ...]], number: int, file: SqlFile) -> None:
    connection.execute(
        "insert into absurd.schema_migration (version, name, checksum) values (%s, %s, %s)", (number, file.path, file.checksum)
    )


def _reinstall_code(connection: psycopg.Connection[tuple[object, ...]], release: Release, test_clock: bool) -> None:
    execute = connection.execute
    with_clock = test_clock or _has_test_clock(connection)
    files = release.code + (release.test_clock if with_clock else ())
    # the grants in 60_roles.sql write every function's row, and so make an old signature look like one of this installation
    grants = tuple(f for f in files if f.path == ROLES_FILE)
    _run(connection, tuple(f for f in files if f not in grants))
    _drop_old_signatures(connection)
    _run(connection, grants)
    execute("delete from absurd.schema_file where path <> all (%s)", ([f.path for f in files],))
    for file in files:
        execute(
            """insert into absurd.schema_file as f (path, checksum) values (%s, %s)
               on conflict (path) do update set checksum = excluded.checksum, installed_at = clock_timestamp()
               where f.checksum <> excluded.checksum""",
            (file.path, file.checksum),
        )
    execute("update absurd.schema_meta set test_clock = %s, tollway_version = %s", (with_clock, package_version("tollway")))
    execute("select absurd._ensure_log_partitions()")
    execute("select absurd._record_installed_code()")


def _drop_old_signatures(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Drop the functions of ours that this release did not put in: an old overload makes every SDK's call ambiguous."""
    connection.execute(
        """do $$
           declare v_old text;
           begin
             for v_old in
               select p.oid::regprocedure::text from pg_catalog.pg_proc p
               join absurd.installed_code i on i.kind = 'function' and i.identity = p.oid::regprocedure::text
               where p.pronamespace = 'absurd'::regnamespace
                 and p.xmin::text::bigint <> (pg_current_xact_id()::text::bigint %% 4294967296)
             loop
               execute 'drop function ' || v_old;
             end loop;
           end $$""".replace("%%", "%")
    )


def _has_test_clock(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    row = connection.execute("select test_clock from absurd.schema_meta").fetchone()
    return bool(row and row[0])


def _run(connection: psycopg.Connection[tuple[object, ...]], files: tuple[SqlFile, ...]) -> None:
    for file in files:
        try:
            connection.execute(file.text)
        except psycopg.Error as error:
            error.add_note(f"while installing {file.path}")
            raise
