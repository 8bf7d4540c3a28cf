"""Installing the engine: once, twice, at the same time, over an older release, and where it must not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from fixtures.server import database_dsn
from tollway.embedded import EmbeddedPostgres
from tollway.errors import DatabaseUnreachable, ForeignSchema, SchemaMismatch
from tollway.schema import install, migrate, verify
from tollway.schema.files import Release, SqlFile, read_release


@pytest.fixture
def empty(server: EmbeddedPostgres) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"e_{uuid.uuid4().hex[:20]}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"create database {name}")
        yield database_dsn(server.dsn, name)
        admin.execute(f"drop database {name} with (force)")


def value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def file(path: str, text: str) -> SqlFile:
    return SqlFile(path, text, str(hash(text)))


def with_function(release: Release, signature: str) -> Release:
    text = f"create or replace function absurd.nap({signature}) returns integer language sql as $$ select 1 $$;"
    return replace(release, code=(*release.code[:-1], file("40_api/nap.sql", text), release.code[-1]))  # the grants come last


def with_migration(release: Release, text: str) -> Release:
    return replace(release, migrations=((2, file("migrations/0002_nap.sql", text)),))


def test_an_installed_schema_verifies(empty: str) -> None:
    installed = install(empty)

    assert (installed.version_before, installed.version) == (0, read_release().version)
    assert verify(empty) == []


def test_a_second_installation_changes_no_structure(empty: str) -> None:
    install(empty)

    assert install(empty).version_before == read_release().version
    assert verify(empty) == []


def test_installations_at_the_same_time_all_succeed(empty: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: install(empty), range(4)))

    assert sorted(d.version_before for d in done) == [0, 1, 1, 1]
    assert verify(empty) == []


def test_everything_belongs_to_the_owner_role(empty: str) -> None:
    install(empty)

    strangers = "select count(*) from pg_class where relnamespace = 'absurd'::regnamespace and relowner <> 'tollway_owner'::regrole"
    functions = "select count(*) from pg_proc where pronamespace = 'absurd'::regnamespace and proowner <> 'tollway_owner'::regrole"
    assert value(empty, strangers) == 0
    assert value(empty, functions) == 0


def test_a_schema_that_somebody_else_made_is_refused_and_left_alone(empty: str) -> None:
    execute(empty, "create schema absurd; create table absurd.queues (queue_name text)")

    with pytest.raises(ForeignSchema):
        install(empty)
    assert value(empty, "select count(*) from pg_class where relnamespace = 'absurd'::regnamespace and relkind = 'r'") == 1


def test_an_old_signature_goes_with_the_release_that_replaces_it(empty: str) -> None:
    install(empty, release=with_function(read_release(), "p_a integer"))

    install(empty, release=with_function(read_release(), "p_a integer, p_b integer default 0"))

    assert value(empty, "select absurd.nap(1)") == 1
    assert value(empty, "select count(*) from pg_proc where proname = 'nap'") == 1


def test_a_function_that_is_not_ours_stays(empty: str) -> None:
    install(empty)
    execute(empty, "create function absurd.theirs() returns integer language sql as $$ select 7 $$")

    install(empty)

    assert value(empty, "select absurd.theirs()") == 7


def test_a_function_edited_by_hand_is_reported_and_reinstalled(empty: str) -> None:
    install(empty)
    execute(empty, "create or replace function absurd.get_schema_version() returns text language sql as $$ select '9' $$")

    reported = [(d.invariant, d.detail) for d in verify(empty)]
    install(empty)

    assert reported == [("function_is_unaltered", {"name": "absurd.get_schema_version()"})]
    assert verify(empty) == []


def test_a_migration_runs_once_and_is_recorded(empty: str) -> None:
    install(empty)
    newer = with_migration(read_release(), "create table absurd.nap (at timestamptz)")

    assert install(empty, release=newer).migrations == ("migrations/0002_nap.sql",)
    assert install(empty, release=newer).migrations == ()
    assert value(empty, "select max(version) from absurd.schema_migration") == 2


def test_a_migration_edited_after_its_release_is_refused(empty: str) -> None:
    install(empty)
    install(empty, release=with_migration(read_release(), "create table absurd.nap (at timestamptz)"))

    with pytest.raises(SchemaMismatch, match="0002_nap"):
        install(empty, release=with_migration(read_release(), "create table absurd.nap (at date)"))


def test_a_migration_that_fails_leaves_everything_as_it_was(empty: str) -> None:
    install(empty)

    with pytest.raises(psycopg.errors.DivisionByZero):
        install(empty, release=with_migration(read_release(), "create table absurd.nap (); select 1 / 0"))
    assert value(empty, "select to_regclass('absurd.nap') is null") is True
    assert verify(empty) == []


def test_a_database_ahead_of_the_release_is_refused(empty: str) -> None:
    install(empty)
    install(empty, release=with_migration(read_release(), "select 1"))

    with pytest.raises(SchemaMismatch, match="version 2"):
        install(empty)


def test_migrate_needs_an_installed_schema(empty: str) -> None:
    with pytest.raises(SchemaMismatch):
        migrate(empty)


def test_the_test_clock_is_reported(empty: str) -> None:
    install(empty, test_clock=True)

    assert [d.invariant for d in verify(empty)] == ["clock_is_the_databases"]


def test_a_database_that_does_not_answer_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable):
        install(f"host={tmp_path} dbname=postgres")
