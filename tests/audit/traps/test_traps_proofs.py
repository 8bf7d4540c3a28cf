"""Traps of proofs: which trigger is switched off, which overload is meant, which event a MERGE raises, whose row count is asked."""

from __future__ import annotations

import pytest
from traps_base import JOB, Scan

CONFIG = 'state = ["app.job.state"]\n[[require]]\neffect = "audit"\ninsert = "app.log"\n'
NOTE = """create function app.note() returns trigger language plpgsql as $$ begin insert into app.log values (new.id); return new; end $$;
create trigger note after insert or update on app.job for each row execute function app.note();"""

SWITCHES = {
    "alter table app.job disable trigger note;": "disabled",
    "alter table app.job disable trigger all;": "disabled",
    "alter table only job disable trigger user;": "disabled",
    "execute format('alter table %I disable trigger %I', 'x', 'y');": "disabled",
    "alter table app.job disable trigger other;": "guaranteed",
    "alter table app.log disable trigger all;": "guaranteed",
    "-- alter table app.job disable trigger note": "guaranteed",
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_only_the_trigger_that_is_switched_off_is_off(scan: Scan, switch: str) -> None:
    report = scan(
        f"""{JOB} {NOTE} create function app.f() returns void language plpgsql as $f$ begin
        {switch}
        update app.job set state = 'x'; end $f$;""",
        config=CONFIG,
    )

    assert report.statuses() == {"app.f": SWITCHES[switch]}


def test_a_switch_tells_nothing_of_a_trigger_that_would_not_fire(scan: Scan) -> None:
    report = scan(
        f"""{JOB} {NOTE} create function app.f() returns void language plpgsql as $$ begin
        set local session_replication_role = replica; delete from app.job; end $$;""",
        config=CONFIG,
    )

    assert report.statuses() == {"app.f": "missing"}


def test_two_overloads_with_as_many_arguments_are_both_proved(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.f(p int) returns void language plpgsql as $$ begin
          update app.job set state = 'a'; insert into app.log values (1); end $$;
        create function app.f(p text) returns void language plpgsql as $$ begin
          update app.job set state = 'b'; end $$;
        create function app.g() returns void language plpgsql as $$ begin
          update app.job set state = 'c'; perform app.f(null); end $$;""",
        config=CONFIG,
    )
    found = [(v["write"]["state_values"], v["status"]) for v in report.document["verdicts"]]

    assert found == [(["a"], "same block"), (["b"], "missing"), (["c"], "conditional")]


MERGES = {
    "when matched then update set state = 'x'": ("insert", "missing"),
    "when not matched then insert (id, state) values (1, 'x')": ("insert", "guaranteed"),
    "when matched then delete when not matched then insert (id, state) values (1, 'x')": ("insert", "conditional"),
}


@pytest.mark.parametrize("clauses", MERGES)
def test_a_merge_raises_the_events_of_its_own_clauses(scan: Scan, clauses: str) -> None:
    event, expected = MERGES[clauses]
    trigger = NOTE.replace("insert or update on", f"{event} on")
    report = scan(f"{JOB} {trigger} merge into app.job j using app.log l on j.id = l.id {clauses};", config=CONFIG)

    assert report.statuses() == {"(top level)": expected}


def test_a_merge_that_only_updates_another_column_changes_no_state(scan: Scan) -> None:
    report = scan(f"{JOB} merge into app.job j using app.log l on j.id = l.id when matched then update set id = 2;")

    assert report.changes == []


GUARDS = {
    "get diagnostics n = row_count; if n = 1 then {log} end if;": "guarded",
    "if found then {log} end if;": "guarded",
    "delete from app.other; get diagnostics n = row_count; if n = 1 then {log} end if;": "conditional",
    "if p_account = 1 then {log} end if;": "conditional",
    "if p_account is not null then {log} end if;": "conditional",
}


@pytest.mark.parametrize("after", GUARDS)
def test_guarded_is_what_asks_for_the_row_count_of_this_change(scan: Scan, after: str) -> None:
    report = scan(
        f"""{JOB} create function app.f(p_account int) returns void language plpgsql as $$ declare n int; begin
        update app.job set state = 'x'; {after.format(log="insert into app.log values (1);")} end $$;""",
        config=CONFIG,
    )

    assert report.statuses() == {"app.f": GUARDS[after]}


WHENS = {"new.id = 7": "guaranteed", "new.id = 8": "missing", "new.id > 1": "conditional", "new.done = true": "conditional"}


@pytest.mark.parametrize("when", WHENS)
def test_a_when_is_judged_by_the_other_columns_that_are_set_to_constants(scan: Scan, when: str) -> None:
    trigger = NOTE.replace("for each row", f"for each row when ({when})")
    report = scan(f"{JOB} {trigger} update app.job set state = 'x', id = 7;", config=CONFIG)

    assert report.statuses() == {"(top level)": WHENS[when]}


def test_python_that_calls_an_sql_function_for_the_effect_has_it(scan: Scan) -> None:
    report = scan(
        f"{JOB} create function app.log_it() returns void language sql as $$ insert into app.log values (1) $$;",
        python="""
        def finish(conn):
            conn.execute("update app.job set state = 'x' where id = 1")
            conn.execute("select app.log_it()")
        """,
        config=CONFIG,
    )

    assert report.statuses() == {"finish": "python only"}


ASKED = {
    "update app.job set state = 'x'; if found then insert into app.log values (1); end if;": "guarded",
    "update app.job set state = 'x'; v := 2; if found then insert into app.log values (1); end if;": "guarded",
    "update app.job set state = 'x'; update app.other set n = 1; if found then insert into app.log values (1); end if;": "conditional",
    "update app.job set state = 'x'; perform 1; if found then insert into app.log values (1); end if;": "conditional",
    "execute 'update app.job set state = $1' using 'x'; if found then insert into app.log values (1); end if;": "conditional",
    "update app.other set n = 1; if found then insert into app.log values (1); end if; update app.job set state = 'x';": "conditional",
    "update app.job set state = 'x' returning id into v; if v is not null then insert into app.log values (1); end if;": "guarded",
    """with a as (update app.job set state = 'x') update app.other set n = 1 returning n into v;
       if v is not null then insert into app.log values (1); end if;""": "conditional",
    """with a as (update app.job set state = 'x') update app.other set n = 1;
       if found then insert into app.log values (1); end if;""": "conditional",
}


@pytest.mark.parametrize("body", ASKED)
def test_only_a_question_for_this_very_change_guards_its_effect(scan: Scan, body: str) -> None:
    report = scan(
        f"""{JOB} create table app.other (n int);
        create function app.f() returns void language plpgsql as $$ declare v int; begin {body} end $$;""",
        config=CONFIG,
    )

    assert report.statuses() == {"app.f": ASKED[body]}


BEFORE = {
    "if p = 1 then insert into app.log values (1); return; end if;": ("missing", ""),
    "if p = 1 then insert into app.log values (1); raise exception 'no'; end if;": ("missing", ""),
    "if p = 1 then insert into app.log values (1); end if;": ("conditional", "if p = 1"),
    "if p = 1 then insert into app.log values (1); else return; end if;": ("same block", ""),
    "if p = 1 then if p = 2 then return; else return; end if; insert into app.log values (1); end if;": ("missing", ""),
    "case p when 1 then insert into app.log values (1); return; else null; end case;": ("missing", ""),
    "if p = 1 then insert into app.log values (1); return query select 1; end if;": ("conditional", "if p = 1"),
}


@pytest.mark.parametrize("before", BEFORE)
def test_a_branch_that_leaves_is_on_no_way_to_what_comes_after(scan: Scan, before: str) -> None:
    report = scan(
        f"""{JOB} create function app.f(p int) returns setof int language plpgsql as $$ begin
        {before} update app.job set state = 'x'; end $$;""",
        config=CONFIG,
    )
    (verdict,) = report.document["verdicts"]

    assert (verdict["status"], verdict["reason"]) == BEFORE[before]


AFTER = {
    "if p = 1 then update app.job set state = 'x'; return; end if; insert into app.log values (1);": "missing",
    "if p = 1 then update app.job set state = 'x'; raise exception 'no'; end if; insert into app.log values (1);": "missing",
    "if p = 1 then update app.job set state = 'x'; end if; insert into app.log values (1);": "same block",
    "if p = 1 then update app.job set state = 'x'; if p = 2 then return; end if; end if; insert into app.log values (1);": "conditional",
    "update app.job set state = 'x'; return; insert into app.log values (1);": "missing",
    "update app.job set state = 'x'; perform app.refuse(p);": "missing",
    "insert into app.log values (1); if p = 1 then update app.job set state = 'x'; return; end if;": "same block",
}


@pytest.mark.parametrize("body", AFTER)
def test_what_stands_after_the_end_is_not_reached(scan: Scan, body: str) -> None:
    report = scan(
        f"""{JOB} create function app.refuse(p int) returns void language plpgsql as $$ begin raise exception 'no %', p; end $$;
        create function app.f(p int) returns void language plpgsql as $$ begin {body} end $$;""",
        config=CONFIG,
    )

    assert report.statuses() == {"app.f": AFTER[body]}
