"""Routines: the current version of each, languages, calls, triggers."""

from __future__ import annotations

from tollway.audit.model import TOP_LEVEL


def names(analysis):
    return sorted(r.id for r in analysis.facts.routines)


def calls(analysis):
    return [(c.source, c.target, c.kind) for c in analysis.facts.calls]


def test_the_last_version_of_a_function_counts(audit):
    sql = """create function app.f(a int) returns void language sql as 'delete from app.orders';
      create function app.g() returns void language sql as 'delete from app.orders';
      create or replace function app.f(b integer) returns void language sql as $$ select 1 $$;
      drop function app.g();"""
    analysis = audit(sql)

    assert names(analysis) == ["app.f/1"]
    assert analysis.facts.writes == []


def test_bodies_in_every_form_are_read(audit):
    sql = """create function app.a() returns void language sql as 'update app.orders set status = ''paid''';
      create procedure app.b(x int) language sql begin atomic update app.orders set status = 'paid';
        select case when x = 1 then 2 end; delete from app.orders; end;
      do $$ begin delete from app.orders; end $$;
      create rule r as on update to app.v do instead update app.orders set status = new.status;
      delete from app.orders;"""
    found = [(w.routine, w.verb) for w in audit(sql).facts.writes if w.effect == "state"]

    assert ("app.a/0", "update") in found
    assert [verb for routine, verb in found if routine == "app.b/1"] == ["update", "delete"]
    assert ("rule r/0", "update") in found
    assert (TOP_LEVEL, "delete") in found
    assert len(found) == 6


def test_overloads_are_told_apart_by_their_arguments(audit):
    sql = """create function app.f(a int) returns int language sql as 'select 1';
      create function app.f(a int, b int default 1, c int default 2) returns int language sql as 'select 1';
      create function app.g() returns void language plpgsql as $$ begin perform app.f(1, app.f(2)); end $$;"""

    assert ("app.g/0", "app.f/3", "direct") in calls(audit(sql))


def test_a_scheduled_command_is_a_call(audit):
    sql = """create function app.clean() returns void language sql as 'delete from app.orders';
      create function app.plan() returns void language plpgsql as $$ declare v text := 'select app.clean()'; begin
        execute 'select cron.schedule($1, $2, $3)' using 'n', '* * * * *', v; end $$;
      select cron.schedule('x', '* * * * *', 'truncate app.orders');"""
    analysis = audit(sql)

    assert ("app.plan/0", "app.clean/0", "cron") in calls(analysis)
    assert ("truncate", TOP_LEVEL) in [(w.verb, w.routine) for w in analysis.facts.writes]


def test_defaults_and_triggers_call_too(audit):
    sql = """create function app.now() returns timestamptz language sql as 'select now()';
      create function app.t() returns trigger language plpgsql as $$ begin return new; end $$;
      create table app.x (at timestamptz default app.now());
      create trigger x before insert or update of at on app.x for each row when (new.at is not null) execute function app.t();"""
    analysis = audit(sql)
    trigger = analysis.facts.triggers[0]

    assert ("app.x", "app.now/0", "default") in calls(analysis)
    assert ("app.x", "app.t/0", "trigger") in calls(analysis)
    assert (trigger.events, trigger.columns, trigger.timing, trigger.level) == (("insert", "update"), ("at",), "before", "row")
    assert trigger.when == "new.at is not null"


def test_another_language_and_a_broken_body_are_named(audit):
    sql = """create function app.p() returns void language plpython3u as $$ pass $$;
      create function app.b() returns void language plpgsql as $$ begin if x then update app.orders set status = 'paid'; end $$;"""
    analysis = audit(sql)

    assert sorted((u.kind, u.routine) for u in analysis.facts.unknowns) == [("language", "app.p/0"), ("unparsed", "app.b/0")]
    assert [w.verb for w in analysis.facts.writes] == ["update"]  # found all the same


def test_a_pg_dump_is_read(audit):
    sql = (
        "SET search_path = app;\nCOPY app.orders (id, status) FROM stdin;\n1\tupdate app.orders set status = 1;\n'\t$$\n\\.\n\\connect x\n"
    )
    sql += "delete from orders;"

    assert [(w.verb, w.relation) for w in audit(sql).facts.writes] == [("copy", "app.orders"), ("delete", "app.orders")]


def test_placeholders_do_not_stop_the_reading(audit):
    sql = "update :SCHEMA.orders set status = :st where id = %(id)s; delete from {schema}.orders where id = @id::int and x[1:2] = y;"
    found = [(w.verb, w.relation, w.effect) for w in audit(sql, placeholders={"SCHEMA": "app", "schema": "app"}).facts.writes]

    assert found == [("update", "app.orders", "state"), ("delete", "app.orders", "state")]


def test_a_name_of_the_server_is_not_taken_for_a_function_of_the_schema(audit):
    sql = """create function app.now() returns timestamptz language sql as 'select now()';
      create function app.f() returns void language sql as 'select 1'; create function web.f() returns void language sql as 'select 1';
      create function app.g() returns void language sql as 'select app.now(), f()';"""

    assert calls(audit(sql)) == [("app.g/0", "app.now/0", "direct"), ("app.g/0", "app.f/0", "direct")]
