"""Traps of evaluation: what a variable can hold where its text is executed."""

from __future__ import annotations

import pytest
from traps_base import JOB, Scan

UPDATE, DELETE = ("app.f", "update", "app.job"), ("app.f", "delete", "app.job")

BODIES = {
    "a variable that is never set is NULL": (
        "v text; q text;",
        "q := coalesce(v, 'update app.job') || ' set state = ''x'''; execute q;",
        [UPDATE],
    ),
    "a variable that is set on one path only": (
        "q text;",
        """if random() > 0.5 then q := 'update app.job set state = ''a'';'; end if;
           q := coalesce(q, '') || 'delete from app.job'; execute q;""",
        [UPDATE, DELETE],
    ),
    "NULL is nothing for concat and format": (
        "v text;",
        "execute concat(v, 'update app.job', v, ' set state = 1'); execute format('%sdelete from app.job', v);",
        [UPDATE, DELETE],
    ),
    "a loop that builds a text": (
        "q text := ''; part text;",
        """foreach part in array array['update app.job set state = 1', 'delete from app.job'] loop
             q := q || part || ';'; end loop; execute q;""",
        [UPDATE, DELETE],
    ),
    "a separator that is empty in the first round": (
        "q text; sep text := '';",
        "for i in 1..3 loop q := concat(q, sep, 'delete from app.job'); sep := '; '; end loop; execute q;",
        [DELETE],
    ),
    "what the loop sets is found by its next round": (
        "q text := 'select 1';",
        "while true loop execute q; q := 'delete from app.job'; end loop;",
        [DELETE],
    ),
    "a column of the loop's query": (
        "r record;",
        "for r in select format('delete from app.%I', relname) as cmd from pg_class where relname = 'job' loop execute r.cmd; end loop;",
        [("app.f", "delete", "app.*")],
    ),
    "a text for each row": (
        "q text;",
        "for q in select 'delete from app.job where id = ' || oid from pg_class loop execute q; end loop;",
        [DELETE],
    ),
    "rows of VALUES": (
        "r record;",
        """for r in select * from (values ('app.job', 'state'), ('app.log', 'id')) as t (tab, col) loop
             execute format('update %s set %I = null', r.tab::regclass, r.col); end loop;""",
        [UPDATE, ("app.f", "update", "app.log")],
    ),
    "unnest with an alias": (
        "r record;",
        "for r in select tab from unnest(array['job', 'log']) as tab loop execute 'delete from app.' || r.tab; end loop;",
        [DELETE, ("app.f", "delete", "app.log")],
    ),
    "an array in WHERE gives no names": (
        "r record;",
        "for r in select tab from app.names where kind = any (array['x', 'y']) loop execute 'delete from app.' || r.tab; end loop;",
        [("app.f", "delete", "app.*")],
    ),
    "string_agg over a catalog": (
        "q text;",
        "select string_agg(format('delete from app.%I', relname), '; ') into q from pg_class; execute q;",
        [("app.f", "delete", "app.*")],
    ),
    "a subquery": (
        "q text;",
        "q := (select 'delete from app.' || quote_ident(relname) from pg_class limit 1); execute q;",
        [("app.f", "delete", "app.*")],
    ),
    "array_to_string": (
        "q text;",
        "q := array_to_string(array['update', 'app.job', 'set state = 2'], ' '); execute q;",
        [UPDATE],
    ),
    "a split list": (
        "t text;",
        "foreach t in array string_to_array('job, log', ',') loop execute 'truncate app.' || t; end loop;",
        [("app.f", "truncate", "app.job"), ("app.f", "truncate", "app.log")],
    ),
    "a field of a record": (
        "r app.job; q app.job;",
        "r.state := 'delete from app.job'; execute r.state;",
        [DELETE],
    ),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_text_is_followed_through_variables_loops_and_queries(scan: Scan, case: str) -> None:
    declared, body, expected = BODIES[case]
    report = scan(
        f"{JOB} create function app.f() returns void language plpgsql as $f$ declare {declared} begin {body} end $f$;",
        config='state = ["app.job.state"]',
    )

    assert sorted(set(report.writes)) == sorted(expected)
    assert report.unknowns == []


FILLED = {
    "FETCH": ("c refcursor;", "open c for select sql from app.todo; fetch next from c into q;"),
    "GET DIAGNOSTICS": ("", "perform 1; get diagnostics q = pg_context;"),
    "an argument of CALL": ("", "call app.make(q);"),
    "RETURNING INTO": ("", "insert into app.log (id) values (1) returning id::text into q;"),
    "an element of an array": ("a text[];", "a[1] := 'select 1'; q := a[2];"),
}


@pytest.mark.parametrize("case", FILLED)
def test_a_variable_that_something_else_fills_is_not_taken_for_null(scan: Scan, case: str) -> None:
    declared, body = FILLED[case]
    report = scan(
        f"{JOB} create function app.f() returns void language plpgsql as $f$ declare q text; {declared} begin {body} execute q; end $f$;"
    )

    assert ("app.f", "dynamic") in report.unknowns
    assert report.exit_code == 3


def test_a_text_that_is_null_on_every_path_is_told(scan: Scan) -> None:
    report = scan(f"{JOB} create function app.f() returns void language plpgsql as $f$ declare q text; begin execute q; end $f$;")

    assert report.unknowns == [("app.f", "dynamic")]


def test_a_call_in_the_subscript_of_an_assignment_is_a_call(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.slot(p int) returns int language sql as $$ select p $$;
        create function app.f() returns void language plpgsql as $$
        declare a int[];
        begin
          a[app.slot(1)] := 2;
        end $$;
        """
    )

    assert ("app.f", "app.slot", "direct") in report.calls


def test_a_call_in_the_default_of_a_parameter_is_a_call(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.slot() returns int language sql as $$ select 1 $$;
        create function app.f(p int default app.slot()) returns int language sql as $$ select p $$;
        """
    )

    assert ("app.f", "app.slot", "default") in report.calls


def test_a_routine_that_executes_its_parameter_by_number_runs_what_its_callers_give(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.run(text) returns void language plpgsql as $$ begin execute $1; end $$;
        create function app.f() returns void language sql as $$ select app.run('delete from app.job') $$;
        """
    )

    assert report.writes == [DELETE]


def test_every_statement_of_a_rule_is_read(scan: Scan) -> None:
    report = scan(
        f"{JOB} create rule r as on delete to app.log do also (delete from app.job where id = 1; update app.job set state = 'x');"
    )

    assert [w[1:] for w in report.writes] == [("delete", "app.job"), ("update", "app.job")]


def test_a_write_where_none_can_stand_is_told_although_postgres_cannot_parse_it(scan: Scan) -> None:
    report = scan(
        f"""{JOB} create function app.f() returns void language plpgsql as $$ declare v int; begin
        select 1 into v frobnicate update app.job set state = 'x'; end $$;"""
    )

    assert ("app.f", "accounting") in report.unknowns


LISTS = {
    "constraint ok check (state in ('a', 'b'))": [],
    "check (state = any (array['a'::text, 'b']))": [],
    "check (state is null or state in ('a', 'b'))": [],
    "check (id is null or state in ('x', 'y')), constraint ok check (state in ('a', 'b'))": [],
    "check (not (state in ('x', 'y'))), constraint ok check (state in ('a', 'b'))": [],
    "check (state is not null and state in ('a', 'b'))": [],
    "constraint ok check (state in ('a', 'x'))": ["b"],
}


@pytest.mark.parametrize("check", LISTS)
def test_a_check_lists_the_states_if_it_holds_for_every_row(scan: Scan, check: str) -> None:
    report = scan(
        f"""create table app.job (id int primary key, state text default 'a', {check});
        create function app.f() returns void language sql as $$ update app.job set state = 'b'; update app.job set state = 'a'; $$;"""
    )

    assert [f["message"].split(" to ")[1][0] for f in report.found("BP013")] == LISTS[check]


CHANGES = {
    "alter table app.job drop constraint ok, add constraint ok check (state in ('a', 'b', 'c'));": [],
    "alter table app.job drop constraint if exists ok; alter table app.job add check (state in ('a', 'b', 'c'));": [],
    "alter table app.job drop constraint other;": ["c"],
    "alter table app.job add check (id > 0);": ["c"],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_list_of_states_that_is_replaced_is_the_new_one(scan: Scan, change: str) -> None:
    report = scan(
        f"""create table app.job (id int primary key, state text default 'a', constraint ok check (state in ('a', 'b')));
        {change} create function app.f() returns void language sql as $$ update app.job set state = 'c'; $$;"""
    )

    assert [f["message"].split(" to ")[1][0] for f in report.found("BP013")] == CHANGES[change]
