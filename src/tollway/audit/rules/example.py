"""The cases of the rules: each rule has one that it reports and one that it does not, over the same small schema."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = """\
create table shop.orders (
  id     bigint primary key,
  status text not null default 'new' check (status in ('new', 'paid', 'shipped'))
);
create table shop.order_log (order_id bigint, status text, at timestamptz default now());
"""

CONFIG = """\
state = ["shop.orders.status"]

[[require]]
effect = "log"
insert = "shop.order_log"
"""


@dataclass(frozen=True, slots=True)
class Case:
    """SQL that comes after SCHEMA, Python that uses it, and what the configuration has beside CONFIG; what is empty is left out."""

    sql: str
    python: str = ""
    config: str = ""
