"""A mutant in a database: installed as a release, so that the ledger agrees, and read back from the catalog."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from typing import Any

import psycopg

from mutants.derive import Mutant
from tollway.schema import install
from tollway.schema.files import Release, SqlFile, read_release

_CATALOG = """
select 'function ' || p.oid::regprocedure, md5(p.prosrc) from pg_proc p where p.pronamespace = 'absurd'::regnamespace
union all
select format('trigger %s.%s', c.relname, g.tgname), g.tgenabled::text from pg_trigger g join pg_class c on c.oid = g.tgrelid
where c.relnamespace = 'absurd'::regnamespace and not g.tgisinternal
union all
select format('constraint %s of %s', o.conname, o.conrelid::regclass), '' from pg_constraint o
where o.connamespace = 'absurd'::regnamespace and o.contype <> 'n'
union all
select 'index ' || i.indexname, md5(i.indexdef) from pg_indexes i where i.schemaname = 'absurd'
union all
select format('transition %s > %s by %s', x.from_state, x.to_state, x.event), '' from absurd.transition x"""

Catalog = dict[str, str]

# verify() looks whether a trigger is ALWAYS on; so that what the trigger does is what is missed, it does not look then
_SEEN = "g.tgenabled <> 'A'"


@cache
def release() -> Release:
    return read_release()


def _changed(file: SqlFile, mutant: Mutant) -> SqlFile:
    text = mutant.apply(file.text) if file.path == mutant.file else file.text
    if mutant.kind == "enable":
        text = text.replace(_SEEN, "false")
    return file if text == file.text else SqlFile(file.path, text, hashlib.sha256(text.encode()).hexdigest())


def mutated(mutant: Mutant) -> Release:
    """This release, with one file changed."""

    def with_it(files: tuple[SqlFile, ...]) -> tuple[SqlFile, ...]:
        return tuple(_changed(f, mutant) for f in files)

    return replace(release(), structure=with_it(release().structure), code=with_it(release().code))


def fingerprint(mutant: Mutant) -> str:
    """Changes when the mutant would: a kept result is one of this very text."""
    changed = mutated(mutant)
    (file,) = (f for f in changed.structure + changed.code if f.path == mutant.file)
    return file.checksum[:16]


def make_template(server_dsn: str, name: str, wanted: Release) -> Catalog:
    """Make the tests' template anew from a release; the catalog's functions, triggers and moves as they then are."""
    dsn = server_dsn.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        if admin.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            admin.execute(f"alter database {name} is_template false")
            admin.execute(f"drop database {name} with (force)")
        admin.execute(f"create database {name}")
        install(dsn, test_clock=True, release=wanted)
        with psycopg.connect(dsn) as connection:
            rows: list[Any] = connection.execute(_CATALOG).fetchall()
        admin.execute(f"alter database {name} is_template true allow_connections false")
    return dict(rows)


def differences(before: Catalog, after: Catalog) -> list[str]:
    """What is not in the catalog as it was: this is how a mutant is known to be there."""
    return sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
