"""BP013 holds a move, as far as its WHERE names the state from which it starts, against the declared machine."""

from __future__ import annotations

import json

import pytest

MOVES = 'state = ["public.orders.status"]\n[moves]\n"public.orders.status" = ["new -> paid", "paid -> shipped", "new->cancelled"]\n'
FORBIDDEN = {
    "where status = 'shipped'": "shipped -> paid",
    "where id = 1 and status = 'shipped' returning id": "shipped -> paid",
    "where status in ('new', 'shipped', 'cancelled') and id > 3": "cancelled -> paid, shipped -> paid",
    "where (id > 3 or id < 2) and status = 'shipped'": "shipped -> paid",
}
ALLOWED = [
    "where status = 'new'",
    "where id = 1",
    "where status = 'paid'",  # it stays
    "where status = 'shipped' or id = 1",
    "where not status = 'shipped'",
    "where status <> 'shipped'",
    "where note = 'shipped'",
    "where id in (select id from public.orders where status = 'shipped')",
]


@pytest.fixture
def moved(shop, run):
    """moved(where) -> the messages of BP013 for an update to paid with this WHERE."""
    (shop / "c.toml").write_text(MOVES)

    def call(where: str) -> list[str]:
        sql = f"create function public.f() returns void language sql as $$ update public.orders set status = 'paid' {where} $$;"
        (shop / "db" / "z.sql").write_text(sql)
        found = json.loads(run("scan", "db", "--config", "c.toml", "--format", "json", "--no-cache")[1])["findings"]
        return [f["message"] for f in found if f["id"] == "BP013" and "public.f/0" in f["message"]]

    return call


@pytest.mark.parametrize("where", FORBIDDEN)
def test_a_move_that_is_not_declared_is_found(moved, where):
    assert moved(where) == [f"public.f/0: update public.orders.status to paid: {FORBIDDEN[where]} is no declared move"]


@pytest.mark.parametrize("where", ALLOWED)
def test_what_may_be_a_declared_move_is_not_reported(moved, where):
    assert moved(where) == []
