"""Connections of commands: patient, checked for the schema, and clear about what is wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors as pg
from psycopg.rows import dict_row

from tollway.cli.output import UsageError, complain, note
from tollway.cli.suggest import did_you_mean
from tollway.client import Client
from tollway.embedded import EmbeddedPostgres, default_data_dir
from tollway.errors import DatabaseUnreachable, TollwayError
from tollway.schema.install import ensure_current
from tollway.workflow.app import DSN_VARIABLE
from tollway.workflow.connect import connect_sync

CONNECT_ATTEMPTS = 5
LEAST_PREFIX = 8
FULL_LENGTH = 32
MAY_WORK = """select quote_ident(current_user), bool_and(has_function_privilege(p.oid, 'execute')) from pg_catalog.pg_proc p
where p.pronamespace = 'absurd'::regnamespace and p.proname = 'worker_sync'"""


def dsn_of(given: str | None) -> str:
    """`--dsn`, else the variable, else the embedded server if it was ever used here, as `Tollway()` does. Raises: UsageError."""
    dsn = given or os.environ.get(DSN_VARIABLE)
    if dsn:
        return dsn
    if not (default_data_dir() / "PG_VERSION").exists():
        raise UsageError("no database was given", f"set {DSN_VARIABLE} or pass --dsn; `tollway dev MODULE:APP` brings its own.")
    return _embedded()


@cache
def _embedded() -> str:
    """Join the server that `tollway dev` runs, or start it for this command."""
    server = EmbeddedPostgres(default_data_dir())
    note(f"note: {DSN_VARIABLE} is not set: using the embedded PostgreSQL in {server.data_dir}")
    server.start()  # it is left when the process ends
    return server.dsn


def connect(dsn: str) -> psycopg.Connection[Any]:
    """Connect, trying again for about three seconds with a line for each failure. Raises: DatabaseUnreachable, InvalidOption."""
    delay = 0.2
    for attempt in range(1, CONNECT_ATTEMPTS + 1):
        try:
            return connect_sync(dsn)
        except DatabaseUnreachable as error:
            if attempt == CONNECT_ATTEMPTS:
                raise
            complain(f"{error}; attempt {attempt} of {CONNECT_ATTEMPTS}")
            time.sleep(delay)
            delay *= 2
    raise AssertionError("unreachable")


def open_database(given: str | None) -> psycopg.Connection[Any]:
    """A connection to a database that has this release's schema. Raises: DatabaseUnreachable, SchemaMismatch, UsageError."""
    connection = connect(dsn_of(given))
    try:
        ensure_current(connection)
    except pg.InsufficientPrivilege:
        pass  # a role that may only call functions cannot see the ledger; the call itself will tell
    except BaseException:
        connection.close()
        raise
    return connection


def check_writable(connection: psycopg.Connection[Any]) -> None:
    """Raises: DatabaseUnreachable, on a standby: a worker would ask it again and again."""
    (read_only,) = connection.execute("select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean").fetchone() or (
        False,
    )
    if read_only:
        raise DatabaseUnreachable("the database at this address is read-only", hint="it is a standby: give the address of the primary.")


def check_may_work(connection: psycopg.Connection[Any]) -> None:
    """Raises: TollwayError, if this login may not run tasks: a worker would ask again and again."""
    login, may = connection.execute(MAY_WORK).fetchone() or ("", False)
    if not may:
        raise TollwayError(f"login {login} may not run tasks", hint=f"run as an administrator: grant tollway_worker to {login}")


@contextmanager
def one_moment(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Cursor[dict[str, Any]]]:
    """A cursor whose queries all see the same snapshot. The connection is autocommit."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        yield cursor


def check_queue(connection: psycopg.Connection[Any], queue: str) -> None:
    """Raises: UsageError, with the name that was perhaps meant."""
    names = Client(connection).list_queues()
    if queue not in names:
        known = f"there are: {', '.join(names[:20])}" if names else "there is none yet"
        raise UsageError(f"no queue is named {queue!r}", f"{did_you_mean(queue, names)}{known}. Make it: tollway queue create {queue}")


def find_task(connection: psycopg.Connection[Any], text: str) -> UUID:
    """The task of an id, of its unambiguous beginning, or of one of its runs; a purged one too. Raises: UsageError."""
    digits = text.replace("-", "").lower()
    if not digits or len(digits) > FULL_LENGTH or not set(digits) <= set("0123456789abcdef"):
        raise UsageError(f"{text!r} is not a task id", "ids are UUIDs, as `tollway start` prints them and `tollway task list` lists them.")
    if len(digits) < LEAST_PREFIX:
        raise UsageError(f"{text!r} is too short for the beginning of a task id", f"give at least {LEAST_PREFIX} digits.")
    low, high = UUID(digits.ljust(FULL_LENGTH, "0")), UUID(digits.ljust(FULL_LENGTH, "f"))
    found = _ids(connection, "select task_id from absurd.task where task_id between %s and %s order by task_id limit 6", low, high)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)}{'+' if len(found) > 5 else ''} task ids begin with {text}", f"which one? {', '.join(map(str, found))}"
        )
    known = _ids(
        connection,
        "select distinct task_id from absurd.absurd_event_log where task_id between %s and %s"
        " union select task_id from absurd.task where task_id = absurd.task_id_of(%s) limit 2",
        low,
        high,
        low,
    )
    if len(known) == 1:
        return known[0]
    raise UsageError(f"no task has the id {text}", f"{_neighbours(connection, low)}`tollway task list` shows the newest.")


def _neighbours(connection: psycopg.Connection[Any], near: UUID) -> str:
    """The ids next to one that does not exist: often a digit was lost in copying."""
    found = _ids(
        connection,
        "(select task_id from absurd.task where task_id < %s order by task_id desc limit 20)"
        " union all (select task_id from absurd.task where task_id > %s order by task_id limit 20)",
        near,
        near,
    )
    return did_you_mean(str(near), [str(one) for one in found])


def _ids(connection: psycopg.Connection[Any], query: Any, *params: Any) -> list[UUID]:
    return [row[0] for row in connection.execute(query, params).fetchall()]
