"""Traps of reading: types that lose a function, tokens that lie, expressions, bodies in other forms, and input of every kind."""

from __future__ import annotations

import pytest
from traps_base import JOB, Scan

TYPES = {
    "a qualified type": "v app.box; w app.box[];",
    "an array of an unknown type": "v mystery[];",
    "%type[]": "v app.job.state%type; w app.job.state%type[];",
    "an enum": "v app.kind := 'a';",
    "a domain": "v app.name not null := 'x';",
    "a row": "v app.job; w app.job%rowtype;",
    "a cursor": "c cursor (k int) for select 1; r refcursor;",
    "a collation": "v text collate \"C\" := 'x';",
}


@pytest.mark.parametrize("case", TYPES)
def test_a_variable_of_any_type_does_not_lose_the_function(scan: Scan, case: str) -> None:
    report = scan(
        f"""{JOB}
        create type app.kind as enum ('a', 'b');
        create domain app.name as text;
        create function app.fail(p app.box, p_ids mystery[], p_row app.job) returns setof app.job language plpgsql as $$
        declare
          {TYPES[case]}
        begin
          update app.job set state = 'failed' where id = 1;
          return;
        end $$;
        """
    )

    assert report.changes == [("app.fail", "update", "app.job")]
    assert report.document["writes"][0]["line"] == 8
    assert report.unknowns == []


def test_one_function_that_cannot_be_parsed_does_not_lose_the_others(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.broken() returns void language plpgsql as $$ begin if then update app.job set state = 'a'; end $$;
        create function app.fail() returns void language plpgsql as $$ begin update app.job set state = 'failed'; end $$;
        """
    )

    assert ("app.fail", "update", "app.job") in report.changes
    assert [routine for routine, _ in report.unknowns] == ["app.broken"]
    assert report.exit_code == 3


def test_lines_hold_through_into_perform_case_and_comments(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.fail() returns int language plpgsql as $$
        declare
          v int;
        begin
          /* update app.job
             set state = 'no' */
          perform 1 -- delete from app.job
            ;
          case v
            when 1 then
              insert into app.job
                     (id) values (1)
                returning id
                     into v;
            else
              null;
          end case;
          with late as (select 1)
          update
             app.job set state = 'failed'
            returning id into strict
              v;
          return v;
        end $$;
        """
    )

    assert report.changes == [("app.fail", "insert", "app.job"), ("app.fail", "update", "app.job")]
    assert report.lines == [12, 20]


def test_locks_comments_and_strings_are_no_writes(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.look() returns text language plpgsql as $$
        declare
          v text := 'delete from app.job';
        begin
          perform 1 from app.job for update;
          perform 1 from app.job for no key update skip locked;
          -- update app.job set state = 'x';
          raise notice 'truncate app.job %', v;
          return $q$insert into app.job (id) values (1)$q$;
        end $$;
        """
    )

    assert report.writes == []
    assert report.unknowns == []


def test_an_upsert_is_one_write(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.put() returns void language sql as $$
          insert into app.job (id) values (1) on conflict (id) do update set state = 'pending';
        $$;
        """
    )

    assert report.changes == [("app.put", "insert", "app.job")]


def test_calls_in_expressions_are_found(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.one() returns int language sql as 'select 1';
        create function app.look() returns int language plpgsql as $$
        declare
          v int := app.one();
          r int[];
        begin
          if app.one() > 0 and v > 0 then v := v + app.one(); end if;
          r[1] := app.one() + 1;
          for i in 1 .. app.one() loop null; end loop;
          raise notice '%', app.one();
          while app.one() > 3 loop exit when app.one() > 2; end loop;
          return app.one();
        end $$;
        """
    )
    lines = {c["line"] for c in report.document["calls"] if c["to"] == "app.one"}

    assert report.calls == {("app.look", "app.one", "direct")}
    assert lines == {5, 8, 9, 10, 11, 12, 13}


BODIES = {
    "language sql": "create function app.f() returns void language sql as $$ update app.job set state = 'x' $$;",
    "begin atomic": "create function app.f() returns void language sql begin atomic update app.job set state = 'x'; end;",
    "a procedure": "create procedure app.f() language plpgsql as $$ begin update app.job set state = 'x'; commit; end $$;",
    "a quoted body": "create function app.f() returns void language plpgsql as 'begin update app.job set state = ''x''; end';",
    "an escaped body": "create function app.f() returns void language plpgsql as E'begin\\n update app.job set state = \\'x\\'; end';",
    "the body first": "create function app.f() returns void as $$ begin update app.job set state = 'x'; end $$ language plpgsql;",
    "a block inside": """create function app.f() returns void language plpgsql as $$
        <<a>> begin begin update app.job set state = 'x'; end; end $$;""",
}


@pytest.mark.parametrize("case", BODIES)
def test_every_kind_of_body_is_read(scan: Scan, case: str) -> None:
    report = scan(f"{JOB}\n{BODIES[case]}")

    assert report.changes == [("app.f", "update", "app.job")]
    assert report.unknowns == []


def test_a_do_block_and_loose_statements_are_read(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        do $$ begin update app.job set state = 'x'; end $$;
        delete from app.job where id = 2;
        """
    )

    assert [(verb, relation) for _, verb, relation in report.changes] == [("update", "app.job"), ("delete", "app.job")]


def test_another_language_is_a_finding_not_a_silence(scan: Scan) -> None:
    report = scan(f"{JOB}\ncreate function app.py() returns void language plpython3u as $$ plpy.execute('delete from app.job') $$;")

    assert [routine for routine, _ in report.unknowns] == ["app.py"]
    assert report.exit_code == 3


def test_overloads_are_told_apart_by_their_arguments(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.f(a int) returns void language sql as $$ update app.job set state = 'one' $$;
        create function app.f(a int, b int default 1, c int default 2) returns void language sql as $$ select 1 $$;
        create function app.g() returns void language sql as $$ select app.f(1, 2) $$;
        create function app.h() returns void language sql as $$ select app.f(1) $$;
        """
    )
    reached = {c["from"]: set() for c in report.document["calls"]}
    for call in report.document["calls"]:
        reached[call["from"]].add(call["to_id"])

    assert reached["app.g"] == {"app.f/3"}
    assert "app.f/1" in reached["app.h"]


def test_the_current_version_counts(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.f() returns void language sql as $$ update app.job set state = 'old' $$;
        create function app.gone() returns void language sql as $$ delete from app.job $$;
        """,
        """
        create or replace function app.f() returns void language sql as $$ select 1 $$;
        drop function if exists app.gone();
        create function app.new() returns void language sql as $$ update app.job set state = 'new' $$;
        """,
    )

    assert report.changes == [("app.new", "update", "app.job")]


INPUTS = {
    "psql commands": r"""
        \set ON_ERROR_STOP on
        \c postgres
        create function app.f() returns void language sql as $$ update app.job set state = 'x' $$;
        \echo 'done; delete from app.job'
    """,
    "psql variables": "create function :SCHEMA.f() returns void language sql as $$ update :SCHEMA.job set state = 'x' $$;",
    "braces": "create function {schema}.f() returns void language sql as $$ update {schema}.job set state = 'x' $$;",
    "copy data": """
        copy app.other (a, b) from stdin;
1	it's; delete from app.job
2	$$
\\.
        create function app.f() returns void language sql as $$ update app.job set state = 'x' $$;
    """,
}


@pytest.mark.parametrize("case", INPUTS)
def test_files_that_are_not_only_sql(scan: Scan, case: str) -> None:
    config = 'state = ["app.job.state"]\nplaceholders = { SCHEMA = "app", schema = "app" }'
    report = scan(JOB, INPUTS[case], config=config)

    assert ("app.f", "update", "app.job") in report.changes
    assert all(verb != "delete" for _, verb, _ in report.changes)
