"""A connection, with the one clear error each for no driver and no server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollway.audit.errors import AuditError

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]
else:
    Connection = Any


class DriverMissing(AuditError):
    """The commands that talk to a server need psycopg."""

    def __init__(self) -> None:
        super().__init__("to read a database the auditor needs psycopg", "pip install 'psycopg[binary]'")


class Unreachable(AuditError):
    """The server does not answer, or refuses the login."""


def connect(dsn: str, dbname: str = "") -> Connection:
    """A connection that commits each statement; `dbname` instead of the one that the DSN names.

    Raises:
        DriverMissing: psycopg is not installed.
        Unreachable: no server, or it refuses.
    """
    try:
        import psycopg
    except ImportError as error:
        raise DriverMissing from error
    try:
        chosen = psycopg.conninfo.make_conninfo(dsn, **({"dbname": dbname} if dbname else {}))
        return psycopg.connect(chosen, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        told = next(iter(str(error).strip().splitlines()), repr(error))
        raise Unreachable(f"the database does not answer: {told}", "check --dsn, and that the server runs") from error
