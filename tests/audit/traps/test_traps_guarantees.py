"""Traps of guarantees that end elsewhere: who switches triggers off, what partitions and heirs lack, what takes the effect's row."""

from __future__ import annotations

import pytest
from test_traps_triggers import CONFIG, FAIL, NOTE, ROW
from traps_base import JOB, Scan

UPDATE = "update app.job set state = 'failed' where id = 1;"
DEFERRED = """create constraint trigger note after update on app.job deferrable initially {}
  for each row execute function app.note();"""
PARTED = f"""create table app.log (id int);
create table app.job (id int, state text) partition by range (id);
create table app.job_1 partition of app.job for values from (1) to (2);
{NOTE}
{ROW}
"""


def fail(*before: str, header: str = "", after: str = "") -> str:
    """The function app.fail, with statements before and after the change."""
    body = " ".join([*before, UPDATE, after])
    return f"create function app.fail() returns void language plpgsql {header} as $$ begin {body} end $$;"


def verdict(scan: Scan, *sql: str, of: str = "app.fail") -> str:
    report = scan(*sql, config=CONFIG)
    assert report.unknowns == []
    return str(report.statuses()[of])


OFF = "create function app.off() returns void language plpgsql as $$ begin {} end $$;"
REPLICA = "perform set_config('session_replication_role', 'replica', true);"
SILENT = {
    "a callee that leaves it so": OFF.format(REPLICA) + fail("perform app.off();"),
    "a callee of a callee": OFF.format(REPLICA)
    + "create function app.quiet() returns void language plpgsql as $$ begin perform app.off(); end $$;"
    + fail("perform app.quiet();"),
    "a callee that disables the trigger": OFF.format("execute 'alter table app.job disable trigger user';") + fail("perform app.off();"),
    "the header": fail(header="set session_replication_role = replica"),
    "the header, a string": fail(header="set session_replication_role to 'replica'"),
    "ALTER FUNCTION": fail() + "alter function app.fail() set session_replication_role to replica;",
    "a header of the caller": fail()
    + "create function app.load() returns void language sql set session_replication_role = replica as $$ select app.fail() $$;",
    "enable replica in the body": fail("execute 'alter table app.job enable replica trigger note';"),
}


@pytest.mark.parametrize("case", SILENT)
def test_whoever_switches_triggers_off_is_found(scan: Scan, case: str) -> None:
    assert verdict(scan, JOB, NOTE, ROW, SILENT[case]) == "disabled"


LOUD = {
    "the callee switches back": OFF.format(f"{REPLICA} {UPDATE} perform set_config('session_replication_role', 'origin', true);")
    + fail("perform app.off();"),
    "the caller switches back": OFF.format(REPLICA)
    + fail()
    + """create function app.load() returns void language plpgsql as $$ begin
         perform app.off(); set local session_replication_role = origin; end $$;
         create function app.all() returns void language plpgsql as $$ begin perform app.load(); perform app.fail(); end $$;""",
    "it only asks": fail("if current_setting('session_replication_role') = 'replica' then raise 'no'; end if;"),
    "ALTER FUNCTION RESET": fail(header="set session_replication_role = replica")
    + "alter function app.fail() reset session_replication_role;",
    "the trigger of another table": OFF.format("execute 'alter table app.other disable trigger user';") + fail("perform app.off();"),
}


@pytest.mark.parametrize("case", LOUD)
def test_what_is_switched_on_again_fires(scan: Scan, case: str) -> None:
    assert verdict(scan, JOB, NOTE, ROW, LOUD[case]) == "guaranteed"


WINDOWS = {
    "the session": ("set session_replication_role = replica;", "set session_replication_role = origin;"),
    "set_config": ("select pg_catalog.set_config('session_replication_role', 'replica', false);", "reset session_replication_role;"),
    "the trigger": ("alter table app.job disable trigger note;", "alter table app.job enable trigger note;"),
    "all triggers": ("alter table app.job disable trigger all;", "alter table app.job enable always trigger note;"),
}


@pytest.mark.parametrize("window", WINDOWS)
def test_a_script_that_switches_triggers_off_for_a_while(scan: Scan, window: str) -> None:
    """A migration that backfills: only what stands between its two switches escapes."""
    off, on = WINDOWS[window]
    known = [JOB, NOTE, ROW]

    assert verdict(scan, *known, off, UPDATE, on, of="(top level)") == (
        "guaranteed" if window in ("the session", "set_config") else "disabled"
    )
    assert verdict(scan, *known, f"{off} {UPDATE} {on}", of="(top level)") == "disabled"
    assert verdict(scan, *known, f"{off} {on} {UPDATE}", of="(top level)") == "guaranteed"
    assert verdict(scan, *known, fail(), f"{off} select app.fail(); {on}") == "disabled"
    report = scan(*known, f"{off} do $$ begin {UPDATE} end $$; {on}", config=CONFIG)
    assert list(report.statuses().values()) == ["disabled"]


@pytest.mark.parametrize(
    ("declared", "set_to", "expected"),
    [("deferred", "immediate", "guarded"), ("immediate", "deferred", "guarded"), ("deferred", "deferred", "guaranteed")],
)
@pytest.mark.parametrize("named", ["all", "note", "app.note"])
def test_trap_8_set_constraints_moves_a_deferred_guarantee(scan: Scan, declared: str, set_to: str, expected: str, named: str) -> None:
    trigger = DEFERRED.format(declared)
    moved = f"set constraints {named} {set_to};"

    assert verdict(scan, JOB, NOTE, trigger, fail(moved)) == expected
    caller = f"create function app.all() returns void language plpgsql as $$ begin {moved} perform app.fail(); end $$;"
    assert verdict(scan, JOB, NOTE, trigger, fail(), caller) == expected
    assert verdict(scan, JOB, NOTE, trigger, fail()) == "guaranteed"
    assert verdict(scan, JOB, NOTE, ROW, fail(moved)) == "guaranteed"
    assert verdict(scan, JOB, NOTE, trigger, fail(f"set constraints another {set_to};")) == "guaranteed"


PART = "create function app.part() returns void language sql as $$ update app.job_1 set state = 'x' $$;"
DETACHED = {
    "by the script": "alter table app.job detach partition app.job_1;",
    "concurrently": "alter table app.job detach partition app.job_1 concurrently;",
    "by a function": """create function app.archive() returns void language plpgsql as $$ begin
        execute 'alter table app.job detach partition app.job_1'; end $$;""",
}


@pytest.mark.parametrize("case", DETACHED)
def test_trap_8_a_detached_partition_loses_the_guarantee(scan: Scan, case: str) -> None:
    """The triggers of the parent are dropped from it; its rows keep their states."""
    assert verdict(scan, PARTED, PART, FAIL, of="app.part") == "guaranteed"
    report = scan(PARTED, PART, FAIL, DETACHED[case], config=CONFIG)

    assert (report.statuses()["app.part"], report.statuses()["app.fail"]) == ("missing", "guaranteed")
    assert report.found("BP008")


def test_a_partition_that_is_attached_again_is_guarded_again(scan: Scan) -> None:
    again = f"{DETACHED['by the script']} alter table app.job attach partition app.job_1 default;"

    assert verdict(scan, PARTED, PART, again, of="app.part") == "guaranteed"


@pytest.mark.parametrize("which", ["note", "all", "user"])
def test_a_trigger_that_is_off_for_one_partition(scan: Scan, which: str) -> None:
    off = f"alter table app.job_1 disable trigger {which};"
    report = scan(PARTED, PART, FAIL, off, config=CONFIG)
    again = scan(PARTED, PART, FAIL, off, "alter table app.job enable trigger note;", config=CONFIG)

    assert (report.statuses()["app.part"], report.statuses()["app.fail"]) == ("disabled", "conditional")
    assert set(again.statuses().values()) == {"guaranteed"}


def test_a_table_that_inherits_has_the_states_and_not_the_triggers(scan: Scan) -> None:
    heir = "create table app.old_job () inherits (app.job);"
    write = "create function app.old() returns void language sql as $$ update app.old_job set state = 'x' $$;"
    report = scan(JOB, NOTE, ROW, FAIL, heir, write, config=CONFIG)
    own = scan(JOB, NOTE, ROW, FAIL, heir, write, ROW.replace("on app.job", "on app.old_job"), config=CONFIG)

    assert (report.statuses()["app.old"], report.statuses()["app.fail"]) == ("missing", "conditional")
    assert set(own.statuses().values()) == {"guaranteed"}


EFFECT_LOST = {
    "a rule": "create rule quiet as on insert to app.log do instead nothing;",
    "a rule with a condition": "create rule quiet as on insert to app.log where new.id > 5 do instead nothing;",
    "a BEFORE trigger": """create function app.drop() returns trigger language plpgsql as $$ begin
        if new.id > 5 then return null; end if; return new; end $$;
        create trigger drop before insert on app.log for each row execute function app.drop();""",
}


@pytest.mark.parametrize("case", EFFECT_LOST)
def test_what_takes_the_row_of_the_effect_is_seen(scan: Scan, case: str) -> None:
    assert verdict(scan, JOB, NOTE, ROW, FAIL) == "guaranteed"
    assert verdict(scan, JOB, NOTE, ROW, FAIL, EFFECT_LOST[case]) == "conditional"


@pytest.mark.parametrize("gone", ["drop rule quiet on app.log;", "drop table app.log cascade; create table app.log (id int);"])
def test_a_rule_that_is_dropped_takes_nothing(scan: Scan, gone: str) -> None:
    assert verdict(scan, JOB, NOTE, ROW, FAIL, EFFECT_LOST["a rule"], gone) == "guaranteed"


REMOVALS = {
    "truncate cascade": ("truncate app.owner cascade", "truncate"),
    "over another table": ("truncate table app.landlord cascade", "truncate"),
    "drop schema": ("drop schema if exists app cascade", "drop"),
}


@pytest.mark.parametrize("case", REMOVALS)
def test_a_removal_that_does_not_name_the_table_is_found(scan: Scan, case: str) -> None:
    statement, verb = REMOVALS[case]
    report = scan(
        f"""create table app.landlord (id int primary key);
        create table app.owner (id int primary key references app.landlord (id));
        create table app.job (id int, state text, owner int references app.owner (id));
        create function app.wipe() returns void language plpgsql as $$ begin {statement}; end $$;
        """
    )

    assert ("app.wipe", verb, "app.job") in report.changes
    assert report.found("BP008")


def test_what_a_routine_may_drop_is_judged_as_if_it_were_there(scan: Scan) -> None:
    """Nobody may ever call it."""
    drops = """create function app.uninstall() returns void language plpgsql as $$ begin
        drop table app.job; drop function app.note() cascade; end $$;"""

    assert verdict(scan, JOB, NOTE, ROW, FAIL, drops) == "guaranteed"
