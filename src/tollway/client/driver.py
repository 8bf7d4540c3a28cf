"""From whatever the caller has to the psycopg connection below it."""

from __future__ import annotations

from typing import Any

from tollway.errors import InvalidOption


def driver_connection(connection: Any, wanted: type) -> Any:
    """The psycopg connection itself, or that of a SQLAlchemy Connection or Session.

    Raises:
        InvalidOption: it is neither (TW301).
    """
    found = connection
    if not isinstance(found, wanted) and hasattr(found, "get_bind"):  # a Session
        found = found.connection()
    for name in ("connection", "driver_connection"):
        if not isinstance(found, wanted):
            found = getattr(found, name, found)
    if not isinstance(found, wanted):
        raise InvalidOption(
            f"a {type(connection).__name__} is not a connection this client can use",
            hint=f"Pass a psycopg {wanted.__name__}; the synchronous client takes a SQLAlchemy Connection or Session over psycopg, too.",
        )
    return found
