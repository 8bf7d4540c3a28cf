"""Connections for a single request, when the caller brings none."""

from __future__ import annotations

from typing import Any

import psycopg

from tollway.errors import DatabaseUnreachable


async def connect_async(dsn: str) -> psycopg.AsyncConnection[Any]:
    """A connection of our own, autocommit. Raises: DatabaseUnreachable."""
    try:
        return await psycopg.AsyncConnection.connect(dsn, autocommit=True, application_name="tollway client")
    except psycopg.OperationalError as error:
        raise unreachable(error) from error


def connect_sync(dsn: str) -> psycopg.Connection[Any]:
    """As `connect_async`."""
    try:
        return psycopg.connect(dsn, autocommit=True, application_name="tollway client")
    except psycopg.OperationalError as error:
        raise unreachable(error) from error


def unreachable(error: psycopg.Error) -> DatabaseUnreachable:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DatabaseUnreachable(f"the database cannot be reached: {first}", hint="check the address, and that it runs.")
