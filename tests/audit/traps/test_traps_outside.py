"""Traps of what stands elsewhere: functions of other extensions, functions that make a name, triggers that a routine takes away."""

from __future__ import annotations

import pytest
from traps_base import JOB, Scan

FAMILY = 'state = ["app.q_*.state"]\n'
CALL = 'state = ["app.job.state"]\n[[require]]\neffect = "broadcast"\ncall = "bus.send"\n'

MAKERS = {
    "an expression": "language sql as $$ select lower(p_kind || '_' || p_name) $$",
    "a check before": """language plpgsql as $$ begin
      if p_name ~ ';' then raise exception 'no'; end if;
      return lower(p_kind || '_' || p_name); end $$""",
    "a variable": """language plpgsql as $$ declare v text := p_kind; begin
      v := v || '_'; raise notice '%', v; return v || p_name; end $$""",
    "a variable filled by a query": """language plpgsql as $$ declare v text; begin
      select p_kind || '_' || p_name into v; return v; end $$""",
    "the parameter's number": "language plpgsql as $$ begin return $1 || '_' || $2; end $$",
    "the parameter's full name": "language plpgsql as $$ begin return named.p_kind || '_' || p_name; end $$",
    "two ways": """language plpgsql as $$ begin
      if p_name = '' then return p_kind || '_'; else return p_kind || '_' || p_name; end if; end $$""",
    "a loop": """language plpgsql as $$ declare v text := p_kind || '_'; c text; begin
      for c in select x from app.parts loop v := v || c; end loop; return v; end $$""",
}
CALLS = ("app.named('q', p)", "app.named(p_name => p, p_kind => 'q')", "app.named('Q', p)")


@pytest.mark.parametrize("maker", MAKERS)
def test_a_function_that_makes_a_name_is_followed(scan: Scan, maker: str) -> None:
    report = scan(
        f"""
        create function app.named(p_kind text, p_name text) returns text {MAKERS[maker]};
        create function app.f(p text) returns void language plpgsql as $$
        declare v text := app.named('q', p);
        begin execute format('update app.%I set state = 1', v); end $$;
        """,
        config=FAMILY,
    )

    assert {(verb, where.rstrip("*")) for _, verb, where in report.changes} == {("update", "app.q_")}
    assert report.unknowns == []


@pytest.mark.parametrize("call", CALLS)
def test_its_arguments_go_where_they_belong(scan: Scan, call: str) -> None:
    report = scan(
        f"""
        create function app.named(p_kind text, p_name text) returns text {MAKERS["a check before"]};
        create function app.f(p text) returns void language plpgsql as $$
        begin execute format('update app.%I set state = 1', {call}); end $$;
        """,
        config=FAMILY,
    )

    assert report.changes == [("app.f", "update", "app.q_*")]


def test_a_statement_that_a_function_of_another_file_makes_stands_where_it_is_asked_for(scan: Scan) -> None:
    report = scan(
        "create function app.text_of(p text) returns text language plpgsql as $$ begin\n\n\n\n\n"
        "  return 'update app.q_' || p || ' set state = 1'; end $$;",
        """create function app.f(p text) returns void language plpgsql as $$
        begin
          execute app.text_of(p);
        end $$;""",
        config=FAMILY,
    )
    write = report.document["writes"][0]

    assert (write["file"].endswith("2.sql"), write["line"], write["relation"]) == (True, 3, "app.q_*")


def test_a_name_that_depends_on_a_table_stays_unknown(scan: Scan) -> None:
    report = scan(
        """
        create table app.q_a (state int);
        create function app.named(p text) returns text language plpgsql as $$ declare v text; begin
          select name into v from app.names where id = p; return v; end $$;
        create function app.f(p text) returns void language plpgsql as $$
        begin execute app.named(p); end $$;
        """,
        config=FAMILY,
    )

    assert [kind for _, kind in report.unknowns] == ["dynamic"]


def test_a_pattern_ends_at_the_dot(scan: Scan) -> None:
    """`*.settings` is a table of any schema; it is none of `app.q_*`."""
    report = scan(
        """create function app.f(p text) returns void language plpgsql as $$
        begin execute format('delete from %I.settings', p); execute format('delete from %I.q_x', p); end $$;""",
        config=FAMILY,
    )

    assert report.changes == [("app.f", "delete", "*.q_x")]


BODIES = {
    "perform bus.send('x');": "same block",
    "perform bus.send(id) from app.log where id = 1;": "same block",
    "if p then perform bus.send('x'); end if;": "conditional",
    "perform bus.receive('x');": "missing",
    "insert into bus.send (a) values (1);": "missing",
    "-- perform bus.send('x');": "missing",
}


@pytest.mark.parametrize("body", BODIES)
def test_a_required_call_need_not_be_among_the_texts(scan: Scan, body: str) -> None:
    report = scan(
        f"""{JOB} create function app.f(p boolean) returns void language plpgsql as $$ begin
        update app.job set state = 'x'; {body}
        end $$;""",
        config=CALL,
    )

    assert report.statuses("broadcast") == {"app.f": BODIES[body]}


def test_a_required_call_in_the_returning_of_the_change_is_of_the_same_statement(scan: Scan) -> None:
    report = scan(
        f"""{JOB} create function app.f() returns void language sql as $$
        with done as (update app.job set state = 'x' returning id, bus.send(id)) select count(*) from done; $$;""",
        config=CALL,
    )

    assert report.statuses("broadcast") == {"app.f": "same statement"}


def test_a_required_call_in_a_cte_that_nobody_references_never_runs(scan: Scan) -> None:
    report = scan(
        f"""{JOB} create function app.f() returns void language sql as $$
        with done as (update app.job set state = 'x' returning id), told as (select bus.send(id) from done) select 1; $$;""",
        config=CALL,
    )

    assert report.statuses("broadcast") == {"app.f": "missing"}
    assert [f["message"] for f in report.found("BP009")] == ["app.f/0: bus.send() stands in the CTE told, which nobody references"]


LOCKS = {
    "with l as (select id from app.job for update) update app.job set id = 1": 1,
    "with l as materialized (select id from app.job for no key update of job skip locked) select 1": 1,
    "with l as (select id from app.job for share) select * from l": 0,
    "with l as (select id from app.job) select 1": 0,
    "with l as (update app.job set id = 1 returning id) select 1": 0,
}


@pytest.mark.parametrize("query", LOCKS)
def test_a_lock_in_a_cte_that_nobody_references_is_never_taken(scan: Scan, query: str) -> None:
    report = scan(f"{JOB} create function app.f() returns void language sql as $$ {query}; $$;")

    assert [f["message"] for f in report.found("BP009")] == ["app.f/0: the CTE l locks nothing, as nobody references it"] * LOCKS[query]


AUDIT = 'state = ["app.job.state"]\n[[require]]\neffect = "audit"\ninsert = "app.log"\n'
NOTE = "create function app.note() returns trigger language plpgsql as $$ begin insert into app.log values (new.id); return new; end $$;"
MAKE = "create trigger note after insert or update on app.job for each row execute function app.note();"
DROPS = {
    "drop trigger note on app.job;": ("guaranteed", ["trigger note on app.job: app.quiet drops it"]),
    "drop trigger if exists note on app.job;": ("guaranteed", ["trigger note on app.job: app.quiet drops it"]),
    "execute 'drop trigger note on app.job';": ("guaranteed", ["trigger note on app.job: app.quiet drops it"]),
    "execute format('drop trigger note on app.%I', 'job');": ("guaranteed", ["trigger note on app.job: app.quiet drops it"]),
    "drop trigger other on app.job;": ("guaranteed", []),
    f"drop trigger note on app.job; {MAKE}": ("guaranteed", []),
}


@pytest.mark.parametrize("drop", DROPS)
def test_a_trigger_that_a_routine_drops_is_there_until_it_is_called(scan: Scan, drop: str) -> None:
    report = scan(
        f"""{JOB} {NOTE} {MAKE}
        create function app.f() returns void language sql as $f$ update app.job set state = 'x'; $f$;
        create function app.quiet() returns void language plpgsql as $f$ begin {drop} end $f$;""",
        config=AUDIT,
    )
    status, holes = DROPS[drop]

    assert report.statuses() == {"app.f": status}
    assert [f["message"] for f in report.found("BP007")] == holes


AGAIN = {
    "": "disabled",
    MAKE: "guaranteed",
    f"if true then {MAKE} end if;": "guaranteed",
    f"update app.job set state = 'y'; {MAKE}": "disabled",
    f"perform app.g(); {MAKE}": "disabled",
}


@pytest.mark.parametrize(("again", "expected"), AGAIN.items())
def test_the_routine_that_drops_it_changes_states_without_it(scan: Scan, again: str, expected: str) -> None:
    report = scan(
        f"""{JOB} {NOTE} {MAKE}
        create function app.f() returns void language plpgsql as $f$ begin
        drop trigger note on app.job; {again} update app.job set state = 'x'; end $f$;""",
        config=AUDIT,
    )

    assert report.statuses() == {"app.f": expected}


def test_what_a_do_block_drops_is_gone(scan: Scan) -> None:
    report = scan(
        f"""{JOB} {NOTE} {MAKE}
        create function app.f() returns void language sql as $f$ update app.job set state = 'x'; $f$;
        do $$ begin drop trigger note on app.job; end $$;""",
        config=AUDIT,
    )

    assert report.statuses() == {"app.f": "missing"}
