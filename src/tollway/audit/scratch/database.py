"""A database that is there for one run of the auditor."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tollway.audit.errors import AuditError
from tollway.audit.live import Connection, connect
from tollway.audit.load.code import Source
from tollway.audit.load.split import clean, fill


@contextmanager
def scratch(dsn: str, template: str = "") -> Iterator[str]:
    """A new database on the server of `dsn`, empty or a copy; gives its DSN and drops it, whoever is still connected.

    Raises:
        AuditError: no driver, no server, or this login may not create databases.
    """
    import psycopg

    name = f"tollway_audit_{uuid.uuid4().hex[:16]}"
    with connect(dsn) as admin:
        try:
            admin.execute(f"create database {name} template {template or 'template0'}")
        except psycopg.Error as error:
            hint = "give --dsn of a server where this login may create databases"
            raise AuditError(f"no scratch database could be made: {str(error).strip()}", hint) from error
        try:
            yield psycopg.conninfo.make_conninfo(dsn, dbname=name)
        finally:
            admin.execute(f"drop database if exists {name} with (force)")


def install(connection: Connection, sources: Sequence[Source], placeholders: dict[str, str] | None = None) -> None:
    """Run the texts in their order, each as a whole. Bodies are not checked: a later file may have what they call.

    Raises:
        AuditError: a text does not run; the message names it.
    """
    import psycopg

    connection.execute("set check_function_bodies = off")
    connection.execute("set client_min_messages = warning")
    for source in sources:
        try:
            connection.execute(fill(Source(source.file, clean(source.text)).code(), placeholders or {}).text)
        except psycopg.Error as error:
            hint = "give the files in the order in which they are installed; what they need beforehand goes in a file of its own"
            raise AuditError(f"{source.file} does not run: {str(error).strip()}", hint) from error
