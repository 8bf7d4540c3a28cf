"""Traps of input and of relations: placeholders, dumps, partitions, defaults, foreign keys, deferred constraints."""

from __future__ import annotations

import pytest
from test_traps_triggers import CONFIG, FAIL, NOTE
from traps_base import JOB, Scan

PLACEHOLDERS = {
    "psql": "update :SCHEMA.job set state = :'state' where id = :id;",
    "psql, quoted": "update :\"SCHEMA\".job set state = 'x';",
    "psycopg": "update app.job set state = %(state)s where id = %(id)s::int;",
    "sqlc": "update app.job set state = @state::text where id = @id::int;",
    "braces": "update {schema}.job set state = 'x';",
    "numbers": "update app.job set state = $1 where id = $2;",
}


@pytest.mark.parametrize("case", PLACEHOLDERS)
def test_placeholders_do_not_stop_the_reader(scan: Scan, case: str) -> None:
    report = scan(JOB, PLACEHOLDERS[case], config='state = ["app.job.state"]\nplaceholders = { SCHEMA = "app", schema = "app" }')

    assert [(verb, relation) for _, verb, relation in report.changes] == [("update", "app.job")]
    assert report.unknowns == []


DUMP = r"""
--
-- PostgreSQL database dump
--
\restrict abc
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA app;
CREATE FUNCTION app.fail() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  update app.job set state = 'failed';
end
$$;
ALTER FUNCTION app.fail() OWNER TO postgres;
CREATE TABLE app.job (
    id integer NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL
);
COPY app.job (id, state) FROM stdin;
1	it's "done"; update app.job set state = 'x';
2	$$ \N
\.
SELECT pg_catalog.setval('app.job_id_seq', 2, true);
CREATE TRIGGER note AFTER UPDATE ON app.job FOR EACH ROW EXECUTE FUNCTION app.note();
\unrestrict abc
"""


def test_a_dump_with_its_data(scan: Scan) -> None:
    report = scan(DUMP, NOTE)

    assert ("app.fail", "update", "app.job") in report.changes
    assert [(verb, relation) for _, verb, relation in report.changes if verb == "update"] == [("update", "app.job")]
    assert [t["name"] for t in report.document["triggers"]] == ["note"]
    assert next(w["line"] for w in report.document["writes"] if w["verb"] == "update") == 13


def test_sql_scripts_inside_a_python_file(scan: Scan) -> None:
    text = f'''
        """A module with its schema: delete from app.job."""
        SCHEMA = """
        {JOB}
        create function app.fail() returns void language sql as $$ update app.job set state = 'failed' $$;
        """
        NAME = "update"
    '''
    report = scan(text, name="py")

    assert report.changes == [("app.fail", "update", "app.job")]
    assert report.lines == [5]


def test_a_trigger_of_one_partition_guards_only_that_partition(scan: Scan) -> None:
    report = scan(
        f"""
        create table app.log (id int);
        create table app.job (id int, state text) partition by list (id);
        create table app.job_1 partition of app.job for values in (1);
        {NOTE}
        {FAIL}
        create trigger note after update on app.job_1 for each row execute function app.note();
        """,
        config=CONFIG,
    )

    assert report.statuses()["app.fail"] != "guaranteed"


def test_a_row_trigger_of_the_parent_guards_its_partitions(scan: Scan) -> None:
    report = scan(
        f"""
        create table app.log (id int);
        create table app.job (id int, state text) partition by list (id);
        create table app.job_1 partition of app.job for values in (1);
        {NOTE}
        create function app.fail() returns void language sql as $$ update app.job_1 set state = 'failed' $$;
        create trigger note after update on app.job for each row execute function app.note();
        """,
        config='state = ["app.job.state", "app.job_1.state"]\n[[require]]\neffect = "audit"\ninsert = "app.log"',
    )

    assert report.statuses()["app.fail"] == "guaranteed"


def test_a_statement_trigger_of_the_parent_does_not_see_a_partitions_writes(scan: Scan) -> None:
    report = scan(
        f"""
        create table app.log (id int);
        create table app.job (id int, state text) partition by list (id);
        create table app.job_1 partition of app.job for values in (1);
        {NOTE}
        create function app.fail() returns void language sql as $$ update app.job_1 set state = 'failed' $$;
        create trigger note after update on app.job for each statement execute function app.note();
        """,
        config='state = ["app.job.state", "app.job_1.state"]\n[[require]]\neffect = "audit"\ninsert = "app.log"',
    )

    assert report.statuses()["app.fail"] != "guaranteed"


def test_a_default_calls_its_function(scan: Scan) -> None:
    report = scan(
        """
        create function app.next() returns int language sql as $$ delete from app.log; select 1 $$;
        create table app.log (id int);
        create table app.job (id int default app.next(), state text);
        """
    )

    assert [(to, kind) for _, to, kind in report.calls] == [("app.next", "default")]


def test_a_deferred_trigger_is_not_set_immediate_silently(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        {NOTE}
        {FAIL}
        create constraint trigger note after update on app.job deferrable initially deferred
          for each row execute function app.note();
        """,
        config=CONFIG,
    )

    assert report.statuses()["app.fail"] in {"guaranteed", "guarded"}
    assert report.document["triggers"][0]["name"] == "note"


def test_a_do_instead_rule_hides_the_write(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        {NOTE}
        {FAIL}
        create trigger note after update on app.job for each row execute function app.note();
        create rule hide as on update to app.job do instead delete from app.job where id = old.id;
        """,
        config=CONFIG,
    )

    assert any(verb == "delete" and relation == "app.job" for _, verb, relation in report.changes)


def test_the_search_path_of_a_function_names_the_table(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.fail() returns void language sql set search_path = app, pg_temp as $$ update job set state = 'x' $$;
        create function app.other() returns void language sql set search_path = elsewhere as $$ update job set state = 'x' $$;
        """
    )

    assert ("app.fail", "update") in {(routine, verb) for routine, verb, _ in report.changes}


def test_quoted_names_keep_their_case(scan: Scan) -> None:
    report = scan(
        """
        create table "App"."Job" (id int, "State" text);
        create function f() returns void language sql as $$ update "App"."Job" set "State" = 'x'; update app.job set state = 'x' $$;
        """,
        config='state = ["App.Job.State"]',
    )

    assert len(report.changes) == 1
    assert report.changes[0][2] == "App.Job"
