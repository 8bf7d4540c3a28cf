"""Traps of migrations: what a later file renames, moves, attaches or drops."""

from __future__ import annotations

from traps_base import JOB, Scan

LOGGED = f"""{JOB}
create function app.note() returns trigger language plpgsql as $$ begin insert into app.log values (new.id); return new; end $$;
create trigger note after update of state on app.job for each row execute function app.note();
"""
AUDIT = 'state = ["{}"]\n[[require]]\neffect = "audit"\ninsert = "app.log"\n'


def test_a_renamed_table_keeps_its_triggers_and_its_earlier_writes(scan: Scan) -> None:
    report = scan(
        LOGGED,
        "update app.job set state = 'a';",
        "alter table app.job rename to task; create function app.f() returns void language sql as 'update app.task set state = null';",
        config=AUDIT.format("app.task.state"),
    )

    assert [w[1:] for w in report.changes] == [("update", "app.task"), ("update", "app.task")]
    assert set(report.statuses().values()) == {"guaranteed"}


def test_a_table_that_takes_the_place_of_a_renamed_one_is_its_own(scan: Scan) -> None:
    report = scan(
        JOB,
        "alter table app.job rename to job_old; create table app.job (id int, state text);",
        "update app.job set state = 'a'; update app.job_old set state = 'a';",
    )

    assert [w[2] for w in report.changes] == ["app.job"]


def test_a_renamed_column_keeps_what_listens_to_it(scan: Scan) -> None:
    report = scan(
        LOGGED,
        "update app.job set state = 'a';",
        "alter table app.job rename column state to status;",
        "create function app.f() returns void language sql as $$ update app.job set status = 'b' $$;",
        config=AUDIT.format("app.job.status"),
    )

    assert len(report.changes) == 2
    assert set(report.statuses().values()) == {"guaranteed"}


def test_a_table_or_schema_that_moves_is_found_at_its_new_place(scan: Scan) -> None:
    moved = scan(
        LOGGED,
        "create schema core; alter table app.job set schema core; update core.job set state = 'a';",
        config=AUDIT.format("core.job.state"),
    )
    renamed = scan(
        LOGGED,
        "alter schema app rename to core; update core.job set state = 'a';",
        config=AUDIT.format("core.job.state").replace("app.log", "core.log"),
    )

    assert moved.statuses() == {"(top level)": "guaranteed"}
    assert renamed.statuses() == {"(top level)": "guaranteed"}


def test_a_dropped_schema_takes_its_tables_and_triggers_along(scan: Scan) -> None:
    report = scan(LOGGED, "drop schema app cascade;", JOB, "update app.job set state = 'a';", config=AUDIT.format("app.job.state"))

    assert report.statuses() == {"(top level)": "missing"}


def test_a_dropped_function_takes_its_triggers_along_with_cascade(scan: Scan) -> None:
    report = scan(LOGGED, "drop function app.note() cascade;", "update app.job set state = 'a';", config=AUDIT.format("app.job.state"))

    assert report.statuses() == {"(top level)": "missing"}


def test_a_renamed_trigger_function_is_still_the_trigger_s(scan: Scan) -> None:
    report = scan(
        LOGGED,
        "alter function app.note() rename to remember; alter trigger note on app.job rename to remember;",
        "alter table app.job disable trigger note; update app.job set state = 'a';",
        config=AUDIT.format("app.job.state"),
    )

    assert report.statuses() == {"(top level)": "guaranteed"}


def test_an_attached_partition_has_the_state_and_the_triggers_of_its_parent(scan: Scan) -> None:
    parts = """create table app.job_1 (id int, state text); create table app.job_2 (id int, state text);
    alter table only app.job attach partition app.job_1 default; alter table app.job_1 attach partition app.job_2 default;"""
    report = scan(
        LOGGED, parts, "update app.job_1 set state = 'a'; update app.job_2 set state = 'a';", config=AUDIT.format("app.job.state")
    )

    assert [w[2] for w in report.changes] == ["app.job_1", "app.job_2"]
    assert {v["status"] for v in report.document["verdicts"]} == {"guaranteed"}


def test_a_detached_partition_has_its_rows_still_and_the_triggers_no_more(scan: Scan) -> None:
    parts = "create table app.job_1 partition of app.job default; alter table app.job detach partition app.job_1;"
    report = scan(LOGGED, parts, "update app.job_1 set state = 'a';", config=AUDIT.format("app.job.state"))

    assert report.changes == [("(top level)", "detach", "app.job"), ("(top level)", "update", "app.job_1")]
    assert {v["status"] for v in report.document["verdicts"]} == {"missing"}


def test_a_table_made_like_another_has_its_columns(scan: Scan) -> None:
    report = scan(
        "create table app.job (id int, state text check (state in ('new', 'done')));",
        "create table app.job_copy (like app.job including all); update app.job_copy set state = 'done';",
        config="",
    )

    assert ("(top level)", "update", "app.job_copy") in report.changes


def test_a_view_s_column_is_the_state_under_another_name(scan: Scan) -> None:
    report = scan(
        JOB,
        """create view app.a as select j.id, j.state as phase from app.job j;
        create view app.b (k, step) as select id, phase from app.a;
        update app.a set phase = 'x'; update app.b set step = 'x'; update app.b set k = 1;""",
    )

    assert [w[2] for w in report.changes] == ["app.a", "app.b"]


def test_every_form_of_search_path_is_understood(scan: Scan) -> None:
    for path in (
        'set search_path to "$user", app',
        "set local search_path = 'app', public",
        "select pg_catalog.set_config('search_path', 'app', false)",
    ):
        report = scan(f"{JOB} create table old.job (id int, state text); {path}; update job set state = 'x';")

        assert report.changes == [("(top level)", "update", "app.job")], path


def test_a_function_finds_tables_by_any_schema_of_its_path(scan: Scan) -> None:
    report = scan(
        f"""{JOB} create table old.job (id int, state text);
        create function app.f() returns void language sql set search_path = pg_catalog, app, pg_temp as $$ update job set state = 'x' $$;
        create function app.g() returns void language sql as $$ update job set state = 'x' $$;
        alter function app.g() set search_path to app;"""
    )

    assert report.changes == [("app.f", "update", "app.job"), ("app.g", "update", "app.job")]


def test_a_language_may_be_written_as_a_string(scan: Scan) -> None:
    report = scan(f"{JOB} create function app.f() returns void as 'update app.job set state = ''x''' language 'sql';")

    assert report.changes == [("app.f", "update", "app.job")]
    assert report.unknowns == []
