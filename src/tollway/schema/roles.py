"""The roles of a cluster: who owns the schema and who may use it. They are shared by all its databases."""

from __future__ import annotations

import psycopg
from psycopg import sql

from tollway.errors import TollwayError

ROLES = ("tollway_owner", "tollway_reader", "tollway_worker", "tollway_client", "tollway_operator")


def create_roles(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Create the roles that are missing; another installation may be making them meanwhile.

    Raises:
        TollwayError: the login may not create roles; the hint has the statements for who may.
    """
    missing = connection.execute(
        "select r from unnest(%s::text[]) r where not exists (select from pg_roles where rolname = r)", (list(ROLES),)
    ).fetchall()
    for (role,) in missing:
        try:
            with connection.transaction():
                connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(str(role))))
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            continue
        except psycopg.errors.InsufficientPrivilege as error:
            raise TollwayError(f"role {role} is missing, and this login may not create it", hint=_statements()) from error


def become_owner(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """For the rest of the transaction, be the role that owns the schema."""
    try:
        with connection.transaction():
            connection.execute("set local role tollway_owner")
        connection.execute("set local role tollway_owner")
    except psycopg.errors.InsufficientPrivilege as error:
        raise TollwayError("this login is not a member of tollway_owner", hint=_statements()) from error


def _statements() -> str:
    made = " ".join(f"create role {role} nologin;" for role in ROLES)
    grants = "grant tollway_owner to <this login>; grant create on database <this one> to <this login>;"
    return f"As a role that may create roles, run: {made} {grants}"
