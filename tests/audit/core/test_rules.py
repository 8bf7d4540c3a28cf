"""Each rule fires on its bad case and is silent on the good one beside it."""

from __future__ import annotations

import pytest

from tollway.audit.config import Requirement

LOG = Requirement("audit", "insert", "app.log")
PAY = "update app.orders set status = 'paid' where id = p_id;"
NOTE = "insert into app.log values (1, new.id, new.status);"


def function(body: str, returns: str = "void") -> str:
    return f"create function app.f(p_id bigint) returns {returns} language plpgsql as $$ begin {body} end $$;"


def trigger(body: str = NOTE, when: str = "after update") -> str:
    event, _, cond = when.partition(" when ")
    cond = cond and f"when {cond}"
    return f"""create function app.t() returns trigger language plpgsql as $$ begin {body} return new; end $$;
      create trigger t {event} on app.orders for each row {cond} execute function app.t();"""


CASES = [
    ("BP001", function(PAY), function(PAY + "insert into app.log values (1);")),
    ("BP005", function("execute p_id;"), function("execute 'select 1';")),
    ("BP006", "create function x() returns int language plv8 as 'x';", "create function x() returns int language sql as 'select 1';"),
    ("BP007", trigger() + "alter table app.orders disable trigger t;", trigger()),
    ("BP007", trigger(f"case new.status when 'paid' then {NOTE} else null; end case;"), trigger(NOTE)),
    (
        "BP007",
        trigger(
            "insert into app.log select 1, t.e from (select case new.status when 'paid' then 1 else null end as e) t where t.e is not null;"
        ),
        trigger(
            "insert into app.log select 1, t.e from (select case new.status when 'paid' then 1 else 2 end as e) t where t.e is not null;"
        ),
    ),
    ("BP007", trigger(when="after update when (new.status = 'paid')"), trigger(when="after update when (new.status <> old.status)")),
    ("BP007", trigger(when="after insert when (new.status = 'paid')"), trigger(when="after insert when (new.status = 'new')")),
    ("BP008", "create table app.l (o bigint references app.x on delete cascade); ".replace("app.l", "app.log"), ""),
    ("BP008", function("truncate app.orders;"), function("delete from app.orders where id = p_id;")),
    (
        "BP009",
        function("with n as (select pg_notify('c', 'x')) update app.orders set status = 'paid' where id = p_id;"),
        function("with n as (select pg_notify('c', 'x')) select count(*) into p_id from n;"),
    ),
    ("BP010", function(PAY) + "select cron.schedule('* * * * *', 'select app.f(1)');", function(PAY)),
    ("BP011", function(PAY + "begin insert into app.log values (1); exception when others then null; end;"), function(PAY)),
    ("BP013", function("update app.orders set status = 'payed' where id = p_id;"), function(PAY)),
    ("BP014", function("update app.orders set status = 'paid';"), function(PAY)),
    ("BP015", "grant select, update on app.orders to web;", "grant update on app.log to web;"),
]


@pytest.mark.parametrize(("rule", "bad", "good"), CASES)
def test_a_rule_fires_on_the_bad_case_only(audit, rule, bad, good):
    assert rule in [f.id for f in audit(bad, require=(LOG,)).findings]
    assert rule not in [f.id for f in audit(good, require=(LOG,)).findings]


def test_two_states_that_move_together_must_always(audit):
    both = "update app.orders set status = 'paid', note = 'paid' where id = p_id;"
    config = {"state": ("app.orders.status", "app.orders.note")}

    assert "BP012" in [f.id for f in audit(function(both + PAY), **config).findings]
    assert "BP012" not in [f.id for f in audit(function(both + both), **config).findings]


def test_an_ignored_rule_is_silent(audit):
    assert audit(function(PAY), require=(LOG,), ignore=("BP001",)).findings == []


def test_fingerprints_do_not_move_with_lines(audit):
    sql = function(PAY + PAY)
    here = [f.fingerprint for f in audit(sql, require=(LOG,)).findings]
    moved = [f.fingerprint for f in audit("\n\n-- more\n" + sql.replace("begin", "begin\n\n"), require=(LOG,)).findings]

    assert here == moved
    assert len(set(here)) == len(here) == 2
