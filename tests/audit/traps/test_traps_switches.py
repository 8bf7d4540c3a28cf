"""Traps of guarantees: triggers that are switched off on the way, and effects in SELECTs that Postgres never runs."""

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

HOLES = {
    "a dead CTE": """create function app.dead() returns trigger language plpgsql as $$
        begin
          perform 1 from (with x as (select app.write()) select 1) q;
          return null;
        end $$;
        create function app.write() returns int language sql as $$ insert into app.log values (1); select 1 $$;
        create trigger note after update on app.job for each row execute function app.dead();""",
}


@pytest.mark.parametrize("case", HOLES)
def test_a_trigger_with_a_hole_is_no_guarantee(scan: Scan, case: str) -> None:
    report = scan(f"{JOB} create table app.other (id int, state text);\n{NOTE}\n{FAIL}\n{HOLES[case]}", config=CONFIG)

    assert report.statuses()["app.fail"] not in {"guaranteed", "same statement", "same block", "callee"}


SWITCHES = {
    "set local": "set local session_replication_role = replica;",
    "set to": "set session_replication_role to 'replica';",
    "set_config": "perform set_config('session_replication_role', 'replica', true);",
    "dynamic": "execute 'set local session_replication_role = replica';",
    "disable trigger": "alter table app.job disable trigger note;",
}


def switched(scan: Scan, before: str, caller: str = "", note: str = ROW) -> str:
    report = scan(
        f"""{JOB}
        {NOTE}
        {note}
        create function app.fail() returns void language plpgsql as $$
        begin
          {before}
          update app.job set state = 'failed';
        end $$;
        create function app.load() returns void language plpgsql as $$
        begin
          {caller}
          perform app.fail();
        end $$;
        """,
        config=CONFIG,
    )
    return str(report.statuses()["app.fail"])


@pytest.mark.parametrize("switch", SWITCHES)
def test_triggers_that_are_switched_off_guarantee_nothing(scan: Scan, switch: str) -> None:
    assert switched(scan, SWITCHES[switch]) == "disabled"
    assert switched(scan, "", caller=SWITCHES[switch]) == "disabled"


def test_what_only_reads_like_a_switch_is_none(scan: Scan) -> None:
    assert switched(scan, "-- never set session_replication_role = replica here") == "guaranteed"
    assert switched(scan, "set local session_replication_role = origin;") == "guaranteed"


def test_a_trigger_that_is_always_enabled_fires_all_the_same(scan: Scan) -> None:
    always = f"{ROW} alter table app.job enable always trigger note;"

    assert switched(scan, SWITCHES["set local"], note=always) == "guaranteed"


def test_a_side_effect_in_a_cte_that_nobody_references_never_runs(scan: Scan) -> None:
    report = scan(
        f"""{JOB}
        create function app.write() returns int language sql as $$ insert into app.log values (1); select 1 $$;
        create function app.fail() returns void language plpgsql as $$
        begin
          with noted as (select app.write()) update app.job set state = 'x';
        end $$;
        """,
        config=CONFIG,
    )

    assert report.found("BP009")
    assert report.statuses()["app.fail"] not in {"guaranteed", "same statement", "same block", "callee"}


@pytest.mark.parametrize("action", ["default", "null"])
def test_a_foreign_key_that_sets_the_state_is_told(scan: Scan, action: str) -> None:
    report = scan(
        f"""
        create table app.phase (name text primary key);
        create table app.job (id int, state text default 'lost' references app.phase (name) on delete set {action});
        create function app.forget() returns void language sql as $$ delete from app.phase where name = 'old' $$;
        create function app.move() returns void language sql as $$ update app.job set state = 'done' $$;
        """
    )

    assert report.found("BP008")
