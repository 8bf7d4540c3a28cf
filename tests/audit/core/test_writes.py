"""Which statements change a state, and which only look like it."""

from __future__ import annotations

import pytest

UPDATE = [("update", "app.orders")]


@pytest.mark.parametrize(
    "body",
    [
        "begin update app.orders set status = 'paid' where id = p_id; end",
        "begin update only app.orders as o set note = 'x', (status, id) = ('paid', 1); end",
        "declare x app.weird[]; y app.t%rowtype; begin update app.orders set \"status\" = 'paid'; end",
        "begin with u as (update app.orders set status = 'paid' returning id) select count(*) into p_id from u; end",
        "begin for p_id in update app.orders set status = 'paid' returning id loop null; end loop; end",
        "begin return query update app.orders set status = 'paid' returning id; end",
        "begin case p_id when 1 then update app.orders set status = 'paid'; else null; end case; end",
        "#variable_conflict use_column\nbegin update app.orders set status = 'paid'; end",
        "begin begin null; exception when others then update app.orders set status = 'paid'; end; end",
        "declare c cursor for select 1; begin << l >> loop update app.orders set status = 'paid'; exit l; end loop l; end",
    ],
)
def test_an_update_is_found_wherever_it_stands(states, body):
    assert states(body) == UPDATE


@pytest.mark.parametrize(
    "body",
    [
        "begin execute 'update app.orders set status = ''paid'''; end",
        "begin execute format('update %I.%I set %I = %L', 'app', 'orders', 'status', p_q); end",
        "begin execute format($q$update app.%2$I set status = '100%%' where id = %1$s$q$, p_id, 'orders'); end",
        "declare v text := 'update app.'; begin v := v || 'orders'; v := v || ' set status = $1'; execute v using 'paid'; end",
        "declare v text; begin select 'update app.orders set status = 1' into v; execute v; end",
        "declare v text; begin if p_id = 1 then v := 'orders'; else v := 'log'; end if; execute 'update app.'||v||' set status = 1'; end",
        "declare t text; begin foreach t in array array['orders'] loop execute 'update app.'||t||' set status=1'; end loop; end",
        "declare t text; begin for t in select unnest(array['orders']) loop execute concat('update app.',t,' set status=1'); end loop; end",
        "begin execute case when true then 'update app.orders set status = 1' else 'select 1' end; end",
        "begin execute $a$ do $b$ begin update app.orders set status = 'paid'; end $b$ $a$; end",
    ],
)
def test_dynamic_sql_is_followed(states, body):
    assert states(body) == UPDATE


@pytest.mark.parametrize(
    "body",
    [
        "begin perform 1 from app.orders for update; end",
        "begin perform 1 from app.orders for no key update; end",
        "begin insert into app.log (id) values (1) on conflict (id) do update set status = 'paid'; end",
        "begin /* update app.orders set status = 1; */ null; -- delete from app.orders\n end",
        "begin raise notice 'update app.orders set status = 1'; end",
        "begin update app.orders set note = 'status'; end",
        "begin update app.log set status = 'paid'; end",
        "declare v text := 'delete from app.orders'; begin perform length(v); end",
    ],
)
def test_what_only_looks_like_a_change_is_none(states, body):
    assert states(body) == []


def test_rows_that_come_and_go_change_state_too(states):
    body = "begin insert into app.orders (id) values (1); delete from app.orders; truncate app.orders; end"

    assert states(body) == [("insert", "app.orders"), ("delete", "app.orders"), ("truncate", "app.orders")]


def test_a_computed_name_is_a_pattern(audit):
    sql = """create function q.make(p text) returns void language plpgsql as $$ begin
      execute format('create table q.%I (state text check (state in (''a'', ''b'')))', 'r_' || p);
      execute format('update q.%I set state = %L', 'r_' || p, 'b'); end $$;"""
    analysis = audit(sql, schema=False)

    assert [str(s) for s in analysis.states] == ["q.r_*.state"]
    assert [(w.relation, w.effect, w.state_values) for w in analysis.facts.writes] == [("q.r_*", "state", ("b",))]


def test_a_computed_column_is_a_maybe(audit):
    sql = (
        "create function app.f(c text) returns void language plpgsql as $$ begin execute format('update app.orders set %I = 1', c); end $$;"
    )

    assert [w.effect for w in audit(sql).facts.writes] == ["maybe"]


def test_text_that_is_not_known_is_reported(audit):
    sql = "create function app.f(s text) returns void language plpgsql as $$ begin execute s; end $$;"
    analysis = audit(sql)

    assert [f.id for f in analysis.findings] == ["BP005"]


def test_what_is_handed_to_a_function_that_executes_it_is_read(audit):
    sql = """create function app.run(s text) returns void language plpgsql as $$ begin execute s; end $$;
      create function app.f() returns void language sql as $$ select app.run('delete from app.orders') $$;"""

    assert [(w.routine, w.verb) for w in audit(sql).facts.writes] == [("app.f/0", "delete")]


def test_lines_are_those_of_the_verb_in_the_file(audit):
    sql = "create function app.f() returns void language plpgsql as $$\nbegin\n  perform 1;\n  execute format(\n    'with x as (select 1)\n"
    sql += "     update app.orders set status = %L',\n    'paid');\nend $$;"
    first = audit("").files and 3  # ORDERS has two lines after an empty one

    assert [w.span.line for w in audit(sql).facts.writes] == [first + 6]


def test_a_payload_column_of_the_same_name_is_no_state(audit):
    sql = "create table t (id int, state jsonb); create table h_log (status text);"
    sql += "create table o (state text check (state in ('new','done')));"
    sql += "update t set state = '{}'; insert into h_log values ('x'); update o set state = 'done';"

    assert [str(s) for s in audit(sql, schema=False).states] == ["o.state"]


def test_the_state_of_an_address_is_none(audit):
    sql = "create table a (city text, state text); update a set state = 'CA'; create table j (state text); update j set state = 'done';"

    assert [str(s) for s in audit(sql, schema=False).states] == ["j.state"]


def test_a_write_of_a_partition_is_a_write_of_its_table(audit):
    sql = "create table app.orders_1 partition of app.orders for values in (1); update app.orders_1 set status = 'paid';"

    assert [(w.relation, w.effect) for w in audit(sql).facts.writes] == [("app.orders_1", "state")]


def test_a_write_through_a_view_is_a_write_of_its_table(audit):
    sql = "create view app.open as select * from app.orders where status = 'new'; update app.open set status = 'paid';"

    assert [w.effect for w in audit(sql).facts.writes] == ["state"]


def test_a_write_that_the_reader_misses_is_told_by_the_second_parser(audit, monkeypatch):
    monkeypatch.setattr("tollway.audit.facts.walk.read_writes", lambda _stmt: [])
    analysis = audit("delete from app.orders;")

    assert [(u.kind, u.detail[:34]) for u in analysis.facts.unknowns] == [("accounting", "Postgres sees 1 writes and the rea")]
