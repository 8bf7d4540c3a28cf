"""What the web service of the shop does with an order."""

from __future__ import annotations

import psycopg


def place(conn: psycopg.Connection[tuple[int]]) -> int:
    """Place an order and return its number."""
    row = conn.execute("select shop.place()").fetchone()
    assert row is not None
    return row[0]


def pay(conn: psycopg.Connection[tuple[int]], order_id: int) -> None:
    """The customer has paid."""
    conn.execute("select shop.pay(%s)", (order_id,))


def cancel(conn: psycopg.Connection[tuple[int]], order_id: int) -> None:
    """The customer does not want it any more."""
    conn.execute("select shop.cancel(%s)", (order_id,))
    conn.execute("insert into shop.order_log (order_id, status) values (%s, 'cancelled')", (order_id,))
