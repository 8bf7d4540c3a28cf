"""A live database, read through its catalog, gives the facts that its files give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fixtures.database import Database
from tollway.audit.analysis import Analysis, read
from tollway.audit.commands import main
from tollway.audit.config import Config
from tollway.audit.live import judge_live, read_live

SQL = Path(__file__).resolve().parents[3] / "src" / "tollway" / "sql"
WEEK = "absurd.absurd_event_log_"
TASK = Config(state=("absurd.task.state",))


def facts(analysis: Analysis) -> dict[str, Counter[Any]]:
    """What both ways must agree on. DO blocks and loose statements are no part of a database, weeks of the log none of files."""
    kept = {r.id for r in analysis.facts.routines if not r.id.startswith("do ")}
    return {
        "writes": Counter(
            (w.routine, w.verb, w.relation, w.columns, w.effect, w.state_values, w.values, w.guards, w.returned, w.keyed, w.partial)
            for w in analysis.facts.writes
            if w.routine in kept
        ),
        "calls": Counter((c.source, c.target, c.kind, c.guards) for c in analysis.facts.calls if not c.source.startswith(("do ", WEEK))),
        "triggers": Counter(
            (t.name, t.relation, t.function, frozenset(t.events), t.columns, t.timing, t.level, t.when)
            for t in analysis.facts.triggers
            if not t.relation.startswith(WEEK)
        ),
        "routines": Counter((r.id, r.language, r.security_definer, r.body_hash) for r in analysis.facts.routines if r.id in kept),
    }


def test_our_schema_reads_the_same_from_a_database_and_from_its_files(db: Database) -> None:
    live, files = read_live(TASK, db.dsn), read(TASK, [str(SQL)])

    assert facts(live) == facts(files)
    assert sum(facts(live)["writes"].values()) > 50
    assert live.facts.unknowns == []


def test_what_a_do_block_switched_is_seen_only_in_the_database(db: Database) -> None:
    """90_triggers.sql enables the gate ALWAYS by a loop over the catalog: the files cannot say for which tables."""
    triggers = {(t.relation, t.name): t.enabled for t in read_live(TASK, db.dsn).facts.triggers if t.relation != f"{WEEK}*"}

    assert {switch for (_, name), switch in triggers.items() if name.startswith("zzz_")} == {"A"}


@pytest.mark.parametrize(("switch", "enabled"), [("disable", "D"), ("enable", "O"), ("enable replica", "R"), ("enable always", "A")])
def test_each_switch_of_a_trigger_is_read(db: Database, switch: str, enabled: str) -> None:
    db.conn.execute(f"alter table absurd.task {switch} trigger zzz_gate_project_update")

    found = {t.enabled for t in read_live(TASK, db.dsn).facts.triggers if t.name == "zzz_gate_project_update"}
    assert found == {enabled}


SHOP = """
create schema app;
create type app.kind as enum ('new', 'paid');
create domain app.phase as text check (value in ('a', 'b'));
create table app.customer (id bigint primary key);
create table app.orders (id bigint, status app.kind not null default 'new', phase app.phase,
  customer_id bigint references app.customer on delete cascade) partition by hash (id);
create table app.orders_0 partition of app.orders for values with (modulus 1, remainder 0);
create table app.log (id bigint, status text);
create view app.open as select * from app.orders where status = 'new';
create rule keep as on delete to app.customer do also insert into app.log values (old.id, 'gone');
create function app.pay(p bigint) returns void language sql begin atomic update app.orders set status = 'paid' where id = p; end;
create function app.note() returns trigger language plpgsql
  as $$ begin insert into app.log values (new.id, new.status); return null; end $$;
create trigger note after update of status on app.orders for each row when (new.status = 'paid') execute function app.note();
grant update on app.orders to public;
"""


@pytest.fixture
def shop(empty: psycopg.Connection) -> Callable[[str], Analysis]:
    """shop(sql) -> the analysis of a small schema and what `sql` adds to it."""
    empty.execute(SHOP)

    def run(sql: str = "select 1") -> Analysis:
        empty.execute(sql)
        return judge_live(Config(state=("app.orders.status",)), empty)

    return run


def test_every_kind_of_object_is_read(shop: Callable[..., Analysis]) -> None:
    found = shop()

    assert [(w.routine, w.verb, w.relation) for w in found.facts.writes if w.effect == "state"] == [("app.pay/1", "update", "app.orders")]
    assert ("rule keep/0", "insert", "app.log") in {(w.routine, w.verb, w.relation) for w in found.facts.writes}
    (trigger,) = found.facts.triggers
    assert (trigger.columns, trigger.events, trigger.level, trigger.timing) == (("status",), ("update",), "row", "after")
    assert "paid" in trigger.when
    assert {(f.relation, f.target, f.event, f.action) for f in found.facts.fk_actions} >= {
        ("app.orders", "app.customer", "delete", "cascade")
    }
    assert found.catalog.types == {"app.kind": ("new", "paid"), "app.phase": ("a", "b")}
    assert found.catalog.tables["app.orders_0"].parent == "app.orders"
    assert found.catalog.tables["app.open"].view
    assert found.catalog.tables["app.orders"].columns["status"].default.startswith("'new'")
    assert ("update", "app.orders", "public") in {g[:3] for g in found.catalog.grants}
    assert {r.origin for r in found.facts.routines} == {"live"}
    assert "BP015" in {f.id for f in found.findings}
    assert found.facts.unknowns == []


def test_what_acts_by_itself_is_a_caller(shop: Callable[..., Analysis]) -> None:
    found = shop(
        """create function app.seen(p bigint) returns bigint language sql immutable as $$ select p $$;
           create view app.v as select app.seen(id) from app.log;
           create materialized view app.mv as select app.seen(id) from app.log;
           create policy p on app.log using (app.seen(id) > 0) with check (app.seen(id) > 1);
           create index i on app.orders (app.seen(id));
           create index j on app.log (id) where app.seen(id) > 0;
           create index k on app.log (status);
           create domain app.d as bigint check (app.seen(value) > 0);"""
    )
    calls = {(c.source, c.kind) for c in found.facts.calls if c.target == "app.seen/1"}

    assert calls == {
        *(("app.v", "view"), ("app.mv", "view"), ("app.log", "policy")),
        *(("app.orders", "default"), ("app.log", "default"), ("app.d", "default")),
    }
    assert found.facts.unknowns == []


def test_jobs_of_cron_are_callers(shop: Callable[..., Analysis]) -> None:
    """The table as pg_cron has it; the extension itself is not on the embedded server."""
    found = shop(
        """create schema cron; create table cron.job (jobid bigint, schedule text, command text, active boolean);
           insert into cron.job values (1, '* * * * *', 'select app.pay(1)', true), (2, '* * * * *', 'select app.note()', false)"""
    )

    assert [(c.target) for c in found.facts.calls if c.kind == "cron"] == ["app.pay/1"]


def test_the_command_reads_a_database(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["scan", "--dsn", db.dsn])

    out = capsys.readouterr().out
    assert "live:absurd.claim_task(" in out
    assert code == 1


def test_a_server_that_does_not_answer_is_one_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["scan", "--dsn", "host=/nowhere dbname=x"])

    assert code == 2
    assert "the database does not answer" in capsys.readouterr().err
