"""Traps of triggers: each way in which a trigger that looks like a guarantee is none."""

from __future__ import annotations

import pytest
from traps_base import JOB, Scan

CONFIG = """
state = ["app.job.state"]
[[require]]
effect = "audit"
insert = "app.log"
"""
NOTE = "create function app.note() returns trigger language plpgsql as $$ begin insert into app.log values (1); return null; end $$;"
FAIL = "create function app.fail() returns void language sql as $$ update app.job set state = 'failed' where id = 1 $$;"
ROW = "create trigger note after update on app.job for each row execute function app.note();"

GUARANTEED = {
    "after update": ROW,
    "every event": "create trigger note after insert or update or delete on app.job for each row execute function app.note();",
    "of state": "create trigger note after update of state on app.job for each row execute function app.note();",
    "a statement trigger": "create trigger note after update on app.job for each statement execute function app.note();",
    "always": f"{ROW} alter table app.job enable always trigger note;",
    "a condition that holds": """create trigger note after update on app.job for each row
        when (new.state = 'failed') execute function app.note();""",
    "a change of the state": """create trigger note after update on app.job for each row
        when (old.state is distinct from new.state) execute function app.note();""",
    "enabled again": f"{ROW} alter table app.job disable trigger note; alter table app.job enable trigger note;",
}


@pytest.mark.parametrize("case", GUARANTEED)
def test_a_trigger_that_fires_is_a_guarantee(scan: Scan, case: str) -> None:
    report = scan(f"{JOB}\n{NOTE}\n{FAIL}\n{GUARANTEED[case]}", config=CONFIG)

    assert report.statuses() == {"app.fail": "guaranteed"}


EARLY = """create function app.early() returns trigger language plpgsql as $$
    begin
      if new.id > 5 then return null; end if;
      insert into app.log values (1);
      return null;
    end $$;
    create trigger note after update on app.job for each row execute function app.early();"""
SWALLOW = """create function app.swallow() returns trigger language plpgsql as $$
    begin
      begin
        insert into app.log values (1);
      exception when others then null;
      end;
      return null;
    end $$;
    create trigger note after update on app.job for each row execute function app.swallow();"""
NEVER = """create function app.never() returns trigger language plpgsql as $$
    begin
      return null;
      insert into app.log values (1);
    end $$;
    create trigger note after update on app.job for each row execute function app.never();"""

HOLES = {
    "another event": "create trigger note after insert on app.job for each row execute function app.note();",
    "another column": "create trigger note after update of id on app.job for each row execute function app.note();",
    "another table": "create trigger note after update on app.other for each row execute function app.note();",
    "a condition that does not hold": """create trigger note after update on app.job for each row
        when (new.state = 'done') execute function app.note();""",
    "a condition on something else": """create trigger note after update on app.job for each row
        when (new.id > 5) execute function app.note();""",
    "disabled": f"{ROW} alter table app.job disable trigger note;",
    "all are disabled": f"{ROW} alter table app.job disable trigger all;",
    "the replica only": f"{ROW} alter table app.job enable replica trigger note;",
    "dropped": f"{ROW} drop trigger note on app.job;",
    "the function dropped": f"{ROW} drop function app.note() cascade;",
    "replaced by an empty function": f"""{ROW} create or replace function app.note() returns trigger language plpgsql as $$
        begin return null; end $$;""",
    "an early return": EARLY,
    "a swallowed error": SWALLOW,
    "after the return": NEVER,
}


@pytest.mark.parametrize("case", HOLES)
def test_a_trigger_with_a_hole_is_no_guarantee(scan: Scan, case: str) -> None:
    report = scan(f"{JOB} create table app.other (id int, state text);\n{NOTE}\n{FAIL}\n{HOLES[case]}", config=CONFIG)

    assert report.statuses()["app.fail"] not in {"guaranteed", "same statement", "same block", "callee"}
    assert report.exit_code == 1


def test_a_before_trigger_rewrites_the_state_and_update_of_misses_it(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        {NOTE}
        create function app.rewrite() returns trigger language plpgsql as $$ begin new.state := 'late'; return new; end $$;
        create trigger rewrite before update on app.job for each row execute function app.rewrite();
        create trigger note after update of state on app.job for each row execute function app.note();
        create function app.touch() returns void language sql as $$ update app.job set id = 2 where id = 1 $$;
        """,
        config=CONFIG,
    )

    assert report.found("BP007")


def test_truncate_fires_no_row_trigger(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        {NOTE}
        create trigger note after insert or update or delete on app.job for each row execute function app.note();
        create function app.wipe() returns void language sql as $$ truncate app.job $$;
        """,
        config=CONFIG,
    )

    assert report.statuses()["app.wipe"] == "missing"


def test_a_cascade_removes_states(scan: Scan) -> None:
    report = scan(
        """
        create table app.queue (id int primary key);
        create table app.job (id int primary key, state text, queue int references app.queue on delete cascade);
        create function app.drop_queue() returns void language sql as $$ delete from app.queue where id = 1 $$;
        """
    )

    assert any("app.job" in f["message"] or "app.job" in f["why"] for f in report.found("BP008"))


@pytest.mark.parametrize("removal", ["drop table app.job", "alter table app.job detach partition app.job_1"])
def test_a_removal_of_the_table_is_a_finding(scan: Scan, removal: str) -> None:
    report = scan(
        f"""
        create table app.job (id int, state text) partition by range (id);
        create table app.job_1 partition of app.job for values from (1) to (2);
        create function app.gone() returns void language plpgsql as $$ begin {removal}; end $$;
        """
    )

    assert report.found("BP008")


def test_a_rule_replaces_the_write(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        {FAIL}
        create rule quiet as on update to app.job do also delete from app.log;
        create rule hidden as on insert to app.log do instead update app.job set state = 'x';
        """
    )

    assert ("update", "app.job") in {(verb, relation) for routine, verb, relation in report.changes if routine != "app.fail"}


PATHS = {
    "same block": ("begin update app.job set state = 'x'; insert into app.log values (1); end", {"same block"}),
    "same statement": ("begin with a as (update app.job set state = 'x') insert into app.log values (1); end", {"same statement"}),
    "a callee": ("begin update app.job set state = 'x'; perform app.write(); end", {"callee"}),
    "a condition": (
        "begin update app.job set state = 'x'; if now() > '2030-01-01' then insert into app.log values (1); end if; end",
        {"conditional"},
    ),
    "both branches": (
        """begin update app.job set state = 'x';
           if now() > '2030-01-01' then insert into app.log values (1); else perform app.write(); end if; end""",
        {"same block", "callee"},
    ),
    "an early return between": (
        "begin update app.job set state = 'x'; if now() > '2030-01-01' then return; end if; insert into app.log values (1); end",
        {"conditional", "missing"},
    ),
    "in another branch": (
        "begin if now() > '2030-01-01' then update app.job set state = 'x'; else insert into app.log values (1); end if; end",
        {"missing", "conditional"},
    ),
    "in a loop that may not turn": (
        "declare i int; begin update app.job set state = 'x'; for i in select 1 loop insert into app.log values (1); end loop; end",
        {"conditional"},
    ),
    "a swallowed error": (
        "begin update app.job set state = 'x'; begin insert into app.log values (1); exception when others then null; end; end",
        {"conditional", "guarded", "missing"},
    ),
}


@pytest.mark.parametrize("case", PATHS)
def test_an_effect_in_the_function_is_proved_by_its_path(scan: Scan, case: str) -> None:
    body, allowed = PATHS[case]
    report = scan(
        f"""{JOB}
        create function app.write() returns void language sql as $$ insert into app.log values (1) $$;
        create function app.fail() returns void language plpgsql as $$ {body} $$;
        """,
        config=CONFIG,
    )

    assert report.statuses()["app.fail"] in allowed


def test_a_write_through_a_view_is_a_write_of_its_table(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create view app.open_job as select id, state from app.job where state <> 'done';
        create function app.fail() returns void language sql as $$ update app.open_job set state = 'failed' $$;
        """
    )

    assert [routine for routine, _, _ in report.changes] == ["app.fail"]
