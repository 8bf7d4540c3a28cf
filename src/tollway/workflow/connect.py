"""Connections for a single request, when the caller brings none."""

from __future__ import annotations

from typing import Any

import psycopg

from tollway.errors import DatabaseUnreachable, InvalidOption


async def connect_async(dsn: str) -> psycopg.AsyncConnection[Any]:
    """A connection of our own, autocommit. Raises: DatabaseUnreachable; InvalidOption, if `dsn` is no connection string."""
    try:
        return await psycopg.AsyncConnection.connect(dsn, autocommit=True, application_name="tollway client")
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    except (psycopg.ProgrammingError, UnicodeError) as error:
        raise no_address(error) from error


def connect_sync(dsn: str) -> psycopg.Connection[Any]:
    """As `connect_async`."""
    try:
        return psycopg.connect(dsn, autocommit=True, application_name="tollway client")
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    except (psycopg.ProgrammingError, UnicodeError) as error:
        raise no_address(error) from error


def no_address(error: Exception) -> InvalidOption:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InvalidOption(f"the connection string is not one: {first}", hint="postgresql://user@host:5432/database")


def unreachable(error: psycopg.Error) -> DatabaseUnreachable:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DatabaseUnreachable(f"the database cannot be reached: {first}", hint="check address, user and password, and that it runs.")
