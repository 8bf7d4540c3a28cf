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


def create_schema(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Create the schema as the owner role's.

    Raises:
        TollwayError: the login may not; the hint has the statements for who may.
    """
    _allow_to_become_owner(connection)
    try:
        with connection.transaction():
            connection.execute("create schema absurd authorization tollway_owner")
    except psycopg.errors.InsufficientPrivilege as error:
        raise TollwayError("this login may not create a schema in this database", hint=_statements()) from error


def become_owner(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """For the rest of the transaction, be the role that owns the schema.

    Raises:
        TollwayError: the login is not a member; the hint has the statements for who can make it one.
    """
    _allow_to_become_owner(connection)
    connection.execute("set local role tollway_owner")


def _allow_to_become_owner(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Since PostgreSQL 16 who creates a role may grant it, to itself too, but is not a member of it."""
    for statement in ("select", "grant tollway_owner to current_user"):
        try:
            with connection.transaction():
                connection.execute(statement)
                connection.execute("set local role tollway_owner")
                connection.execute("reset role")
        except psycopg.errors.InsufficientPrivilege as error:
            refused = error
        else:
            return
    raise TollwayError("this login is not a member of tollway_owner", hint=_statements()) from refused


def _statements() -> str:
    made = " ".join(f"create role {role} nologin;" for role in ROLES)
    grants = "grant tollway_owner to <this login>; grant create on database <this one> to <this login>;"
    return f"As a role that may create roles, run: {made} {grants}"
