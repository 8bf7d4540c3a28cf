"""Analyse a piece of SQL as the command does: facts, verdicts, findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tollway.audit.analysis import Analysis, read_sources
from tollway.audit.config import Config, Requirement
from tollway.audit.load.code import Source
from tollway.audit.prove.ladder import prove
from tollway.audit.rules import check

ORDERS = """
create table app.orders (id bigint primary key, status text not null default 'new' check (status in ('new', 'paid', 'shipped')), note text);
create table app.log (id bigint, order_id bigint, status text);
"""
LOG = Requirement("audit", "insert", "app.log")


@pytest.fixture
def audit() -> Callable[..., Analysis]:
    """audit(sql, require=..., schema=True, **config) -> Analysis, of the table app.orders and what `sql` adds."""

    def run(sql: str, *, schema: bool = True, **config: object) -> Analysis:
        settings = replace(Config(state=("app.orders.status",) if schema else ()), **config)
        analysis = read_sources(settings, [Source("s.sql", (ORDERS if schema else "") + sql)])
        analysis.verdicts = prove(analysis)
        analysis.findings = check(analysis)
        return analysis

    return run


@pytest.fixture
def status(audit) -> Callable[..., str]:
    """status(body) -> the verdict on the log for the first state write of a function with that body."""

    def run(body: str, more: str = "") -> str:
        sql = f"create function app.f(p_id bigint) returns void language plpgsql as $$ {body} $$;\n{more}"
        verdicts = [v for v in audit(sql, require=(LOG,)).verdicts if v.write.routine == "app.f/1"]
        return verdicts[0].status

    return run


@pytest.fixture
def states(audit) -> Callable[[str], list[tuple[str, str]]]:
    """states(body) -> (verb, relation) of each sure state write of a function with that body."""

    def run(body: str) -> list[tuple[str, str]]:
        sql = f"create function app.f(p_id bigint, p_q text) returns void language plpgsql as $$ {body} $$;"
        return [(w.verb, w.relation) for w in audit(sql).facts.writes if w.effect == "state"]

    return run
