"""From whatever the caller has to the psycopg connection below it."""

from __future__ import annotations

from typing import Any

import psycopg

from tollway.errors import InvalidOption


def driver_connection(connection: Any) -> psycopg.Connection[Any]:
    """The psycopg connection itself, or that of an SQLAlchemy Connection or Session, in whose transaction it then is.

    Raises:
        InvalidOption: it is neither (TW301).
    """
    if isinstance(connection, psycopg.Connection):
        return connection
    found = connection
    if hasattr(found, "get_bind") and not hasattr(found, "sync_session"):  # a Session
        found = found.connection()
    if hasattr(found, "in_transaction") and not found.in_transaction():
        found.begin()  # as its own execute would: or its commit would know of nothing to commit
    found = getattr(getattr(found, "connection", None), "driver_connection", None)
    if not isinstance(found, psycopg.Connection):
        raise _not_one(connection, "Connection", "Connection or Session")
    return found


async def async_driver_connection(connection: Any) -> psycopg.AsyncConnection[Any]:
    """As `driver_connection`, of psycopg's AsyncConnection, or SQLAlchemy's AsyncConnection or AsyncSession."""
    if isinstance(connection, psycopg.AsyncConnection):
        return connection
    found = connection
    if hasattr(found, "sync_session"):  # an AsyncSession
        found = await found.connection()
    if hasattr(found, "get_raw_connection"):
        if not found.in_transaction():
            await found.begin()
        found = (await found.get_raw_connection()).driver_connection
    if not isinstance(found, psycopg.AsyncConnection):
        raise _not_one(connection, "AsyncConnection", "AsyncConnection or AsyncSession")
    return found


def _not_one(connection: Any, driver: str, alchemy: str) -> InvalidOption:
    return InvalidOption(
        f"a {type(connection).__name__} is not a connection this client can use",
        hint=f"Pass a psycopg {driver}, or an SQLAlchemy {alchemy} over psycopg (a URL that begins with postgresql+psycopg://).",
    )
