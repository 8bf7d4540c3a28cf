"""Traps of dynamic SQL: names that are put together, statements in variables, code that makes code, cron."""

from __future__ import annotations

import pytest
from traps_base import JOB, Scan

DYNAMIC = {
    "format %I": ("execute format('update app.%I set state = $1', 'job_' || p) using 'x';", "app.job_*"),
    "format %s": ("execute format('update %s set state = %L', 'app.job_' || p, 'x');", "app.job_*"),
    "positions": ("execute format('update %2$I.%1$I set state = 1, note = ''100%%''', 'job_' || p, 'app');", "app.job_*"),
    "two dollar quotes": ("execute $q$ update app.job set state = 'x' $q$;", "app.job"),
    "an escape string": ("execute E'update\\n app.job set state = \\'x\\'';", "app.job"),
    "||": ("execute 'update app.' || quote_ident('job_' || p) || ' set state = 1';", "app.job_*"),
    "concat": ("execute concat('update app.job_', p, ' set state = 1');", "app.job_*"),
    "concat_ws": ("execute concat_ws(' ', 'update', 'app.job', 'set state = 1');", "app.job"),
    "a variable": ("v := 'update app.job_' || p || ' set state = 1'; execute v;", "app.job_*"),
    "a variable that grows": ("v := 'update app.job'; v := v || ' set state = 1'; execute v;", "app.job"),
    "select into": ("select 'update app.job set state = 1' into v; execute v;", "app.job"),
    "coalesce": ("execute coalesce(null, 'update app.job set state = 1');", "app.job"),
    "return query execute": ("return query execute 'with x as (update app.job set state = 1 returning id) select id from x';", "app.job"),
    "for in execute": ("for v in execute 'update app.job set state = 1 returning id' loop null; end loop;", "app.job"),
    "a helper's line": ("execute format($q$\n  with a as (select 1)\n  update app.%I set state = 1 $q$, 'job_' || p);", "app.job_*"),
}


@pytest.mark.parametrize("case", DYNAMIC)
def test_a_dynamic_write_is_found_with_its_pattern(scan: Scan, case: str) -> None:
    code, relation = DYNAMIC[case]
    report = scan(
        f"""{JOB}
        create function app.f(p text) returns setof int language plpgsql as $$
        declare v text;
        begin
          {code}
        end $$;
        """,
        config=f'state = ["{relation}.state"]',
    )

    assert [(verb, where) for _, verb, where in report.changes] == [("update", relation)]
    assert report.unknowns == []


def test_both_branches_of_a_case_are_written(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.f(p text) returns void language plpgsql as $$
        begin
          execute 'update app.' || case when p = 'a' then 'job' else 'other' end || ' set state = 1';
        end $$;
        """
    )

    assert {relation for _, _, relation in report.writes} == {"app.job", "app.other"}


def test_the_variables_value_is_that_of_the_place(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.f(p text) returns void language plpgsql as $$
        declare v text := 'app.other';
        begin
          execute 'update ' || v || ' set state = 1';
          v := 'app.job';
          execute 'delete from ' || v;
        end $$;
        """
    )

    assert [(verb, relation) for _, verb, relation in report.writes] == [("update", "app.other"), ("delete", "app.job")]


def test_foreach_over_a_constant_array(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.f(p text) returns void language plpgsql as $$
        declare v text;
        begin
          foreach v in array array['a', 'b'] loop
            execute format('delete from app.%I', v || '_' || p);
          end loop;
        end $$;
        """
    )

    assert {relation for _, _, relation in report.writes} == {"app.a_*", "app.b_*"}


def test_what_cannot_be_known_is_said(scan: Scan) -> None:
    report = scan(f"{JOB}\ncreate function app.f(p text) returns void language plpgsql as $$ begin execute p; end $$;")

    assert [routine for routine, _ in report.unknowns] == ["app.f"]
    assert report.exit_code == 3


def test_a_function_made_by_dynamic_sql_is_read_too(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.make(p text) returns void language plpgsql as $$
        begin
          execute $q$
            create function app.made() returns void language plpgsql as $b$
            begin
              update app.job set state = 'x';
            end $b$
          $q$;
        end $$;
        """
    )

    assert ("app.made", "update", "app.job") in report.changes


def test_a_trigger_made_by_dynamic_sql_is_found(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.note() returns trigger language plpgsql as $$ begin insert into app.log values (1); return null; end $$;
        create function app.make(p text) returns void language plpgsql as $$
        begin
          execute format('create trigger note after update of state on app.%I for each row
                          when (new.state = ''x'') execute function app.note()', 'job_' || p);
          execute format('alter table app.%I disable trigger note', 'job_' || p);
        end $$;
        """
    )
    trigger = report.document["triggers"][0]

    assert (trigger["name"], trigger["relation"], trigger["columns"], trigger["enabled"]) == ("note", "app.job_*", ["state"], "D")


SCHEDULED = {
    "cron.schedule": "select cron.schedule('nightly', '0 0 * * *', 'select app.sweep()');",
    "inside a function": """create function app.on() returns void language plpgsql as $$
        begin perform cron.schedule('a', 'b', 'select app.sweep()'); end $$;""",
    "a call": "select cron.schedule('nightly', '0 0 * * *', $q$ call app.sweep() $q$);",
    "through using": """create function app.on() returns void language plpgsql as $$
        declare v text := 'select app.sweep()';
        begin execute 'select cron.schedule($1, $2, $3)' using 'a', 'b', v; end $$;""",
    "another scheduler": "select jobs.later('select app.sweep()');",
}


@pytest.mark.parametrize("case", SCHEDULED)
def test_what_runs_later_is_a_call(scan: Scan, case: str) -> None:
    report = scan(
        f"{JOB}\ncreate function app.sweep() returns void language sql as $$ delete from app.job $$;\n{SCHEDULED[case]}",
        config='state = ["app.job.state"]\nschedulers = ["jobs.later"]',
    )

    assert [(to, kind) for _, to, kind in report.calls if to == "app.sweep"] == [("app.sweep", "cron")]


def test_a_write_in_a_cron_command_is_a_write(scan: Scan) -> None:
    report = scan(f"{JOB}\nselect cron.schedule('nightly', '0 0 * * *', 'delete from app.job where id = 1');")

    assert [(verb, relation) for _, verb, relation in report.changes] == [("delete", "app.job")]


def test_states_are_inferred_from_checks_and_enums(scan: Scan) -> None:
    report = scan(
        """
        create type app.phase as enum ('new', 'done');
        create table app.a (id int, state text check (state in ('pending', 'running', 'failed')));
        create table app.b (id int, phase app.phase);
        create table app.c (id int, state jsonb, note text);
        create function app.f() returns void language sql as $$
          update app.a set state = 'failed'; update app.b set phase = 'done'; update app.c set state = '{}', note = 'x';
        $$;
        """,
        config="",
    )

    assert sorted(report.document["states"]) == ["app.a.state", "app.b.phase"]
    assert [relation for _, _, relation in report.changes] == ["app.a", "app.b"]


def test_a_payload_of_the_same_name_is_no_state(scan: Scan) -> None:
    report = scan(
        """
        create table app.job (id int, state text);
        create table app.checkpoint (id int, state jsonb);
        create function app.f() returns void language sql as $$ update app.checkpoint set state = '{}'; update app.job set id = 2; $$;
        """
    )

    assert len(report.writes) == 2
    assert report.changes == []


@pytest.mark.parametrize("form", ["plain", "dynamic"])
def test_a_columns_default_sets_the_state(scan: Scan, form: str) -> None:
    """The insert names no state; the table does."""
    table = "create table app.task (id int, state text not null default 'pending');"
    if form == "dynamic":
        table = f"create function app.make() returns void language plpgsql as $$ begin execute $q$ {table} $q$; end $$;"
    report = scan(
        f"{table}\ncreate function app.put() returns void language sql as $$ insert into app.task (id) values (1) $$;",
        config='state = ["app.task.state"]',
    )
    (written,) = (w for w in report.document["writes"] if w["routine"] == "app.put")

    assert (written["effect"], written["state_values"]) == ("state", ["pending"])
