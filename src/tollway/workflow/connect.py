"""Connections for a single request, when the caller brings none."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tollway.errors import DatabaseUnreachable, InvalidOption

PASSWORDS = (re.compile(r"/[^:@/]*:(.*)@"), re.compile(r"password\s*=\s*'?([^'\s]+)"))
"""Where an address has one, also an address that is none."""
LOST_CLASSES = ("08", "57P")
"""SQLSTATEs of a connection, or a server, that went away under a statement."""


async def connect_async(dsn: str) -> psycopg.AsyncConnection[Any]:
    """A connection of our own, autocommit. Raises: DatabaseUnreachable; InvalidOption, if `dsn` is no connection string."""
    try:
        return await psycopg.AsyncConnection.connect(autocommit=True, **_parameters(dsn))
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    except (psycopg.ProgrammingError, UnicodeError) as error:
        raise no_address(error, dsn) from error


def connect_sync(dsn: str) -> psycopg.Connection[Any]:
    """As `connect_async`."""
    try:
        return psycopg.connect(autocommit=True, **_parameters(dsn))
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    except (psycopg.ProgrammingError, UnicodeError) as error:
        raise no_address(error, dsn) from error


def settings(purpose: str) -> dict[str, Any]:
    """Connection parameters: a peer that vanished without a word is noticed within half a minute."""
    return {
        "application_name": f"tollway {purpose}",
        "connect_timeout": 10,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }


def first_line(error: BaseException) -> str:
    """The sentence of a driver's error, without its context."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _parameters(dsn: str) -> dict[str, Any]:
    """What the address says itself counts, but for the name. Raises: psycopg.ProgrammingError."""
    ours = settings("client")
    return {**ours, **conninfo_to_dict(dsn), "application_name": ours["application_name"]}


def no_address(error: Exception, dsn: str) -> InvalidOption:
    """libpq quotes what it cannot read, the password too, and this goes to a log."""
    first = first_line(error)
    for secret in (found for pattern in PASSWORDS for found in pattern.findall(dsn) if found):
        first = first.replace(secret, "***")
    hint = "postgresql://user@host:5432/database" + (", without +psycopg: that is SQLAlchemy's" if "+psycopg" in dsn else "")
    return InvalidOption(f"the connection string is not one: {first}", hint=hint)


def unreachable(error: psycopg.Error) -> DatabaseUnreachable:
    return DatabaseUnreachable(
        f"the database cannot be reached: {first_line(error)}", hint="check address, user and password, and that it runs."
    )


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection ended under a statement. What the driver says itself has no SQLSTATE."""
    state = error.sqlstate or ""
    ended = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return ended and (not state or state.startswith(LOST_CLASSES))


def lost(error: psycopg.Error) -> DatabaseUnreachable:
    return DatabaseUnreachable(
        f"the connection was lost before the database answered: {first_line(error)}",
        hint="it may have been done. A start with an idempotency key can be repeated, and so can everything but a start.",
    )
