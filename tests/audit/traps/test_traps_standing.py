"""Traps of definitions that act by themselves: views, policies, indexes, tables that inherit, and defaults of one arm of a MERGE."""

from __future__ import annotations

import pytest
from traps_base import JOB, Scan

TOUCH = """create function app.touch(p int) returns int language plpgsql as $$
begin update app.job set state = 'seen' where id = p; return p; end $$;"""
STANDING = {
    "create view app.v as select app.touch(id) from app.job;": ("app.v", "view"),
    "create or replace temp view app.v as select 1 where app.touch(1) = 1;": ("app.v", "view"),
    "create materialized view if not exists app.v as select app.touch(id) from app.job;": ("app.v", "view"),
    "create policy p on app.job using (app.touch(id) > 0);": ("app.job", "policy"),
    "create policy p on app.job for insert with check (app.touch(id) > 0);": ("app.job", "policy"),
    "create policy p on app.job using (true); alter policy p on app.job using (app.touch(id) > 0);": ("app.job", "policy"),
    "create unique index concurrently if not exists i on only app.job (app.touch(id));": ("app.job", "default"),
    "create domain app.d as int check (app.touch(value) > 0);": ("app.d", "default"),
}


@pytest.mark.parametrize("definition", STANDING)
def test_a_definition_that_calls_is_a_caller(scan: Scan, definition: str) -> None:
    report = scan(f"{JOB} {TOUCH} {definition}")
    source, kind = STANDING[definition]

    assert report.calls == {(source, "app.touch", kind)}


@pytest.mark.parametrize(
    "later",
    [
        "drop view app.v;",
        "create or replace view app.v as select 1 as id;",
        "drop policy p on app.job;",
        "drop policy if exists p on app.job;",
    ],
)
def test_one_that_is_gone_calls_nothing(scan: Scan, later: str) -> None:
    kept = "view" if "policy" in later else "policy"
    report = scan(
        f"""{JOB} {TOUCH} create view app.v as select app.touch(id) from app.job;
        create policy p on app.job using (app.touch(id) > 0); {later}"""
    )

    assert {kind for _, _, kind in report.calls} == {kept}


ASKS = {
    "select * from app.v": {"app.f"},
    "select * from v": {"app.f"},
    "select 1 from app.job join app.v using (id)": {"app.f"},
    "select 1 from app.job, app.v": {"app.f"},
    "update app.v set id = 1": {"app.f"},
    "select * from app.over": {"app.f", "app.over"},
    "select * from app.plain": set(),
    "select app.v(1)": set(),
    "select 'from app.v'": set(),
}


@pytest.mark.parametrize("query", ASKS)
def test_who_asks_a_view_calls_what_it_calls(scan: Scan, query: str) -> None:
    over = "create view app.over as select id from app.v;" if "over" in query else ""
    report = scan(
        f"""{JOB} {TOUCH} create view app.v as select id, app.touch(id) from app.job;
        create view app.plain as select id from app.job; {over}
        create function app.f() returns void language plpgsql as $$ begin {query}; end $$;"""
    )

    assert {source for source, to, kind in report.calls if kind == "view" and to != "app.touch"} == ASKS[query]


def test_a_view_proves_no_effect(scan: Scan) -> None:
    """Postgres runs a function of a view for the rows and columns that are asked for, which may be none."""
    report = scan(
        f"""{JOB}
        create function app.note(p int) returns int language plpgsql as $$ begin insert into app.log values (p); return p; end $$;
        create view app.v as select app.note(id) from app.job;
        create function app.f() returns void language plpgsql as $$ begin
        update app.job set state = 'x'; perform * from app.v; end $$;""",
        config='state = ["app.job.state"]\n[[require]]\neffect = "audit"\ninsert = "app.log"\n',
    )

    assert report.statuses() == {"app.f": "missing"}


AUDIT = 'state = ["app.job.state"]\n[[require]]\neffect = "audit"\ninsert = "app.log"\n'
NOTE = """create function app.note() returns trigger language plpgsql as $$ begin insert into app.log values (new.id); return new; end $$;
create trigger note after insert or update on app.job for each row execute function app.note();"""
HEIR = "create table app.old (note text) inherits (app.job);"
ON_HEIR = NOTE.partition("\n")[2].replace("app.job", "app.old")
AT_ONCE = """drop trigger if exists note on app.job; create trigger note after update on app.job
referencing new table as new_rows for each statement execute function app.note();"""
EMPTIED = "create trigger emptied after truncate on app.job execute function app.note();"
OF_TWO = "create table app.other (id int); create table app.old () inherits (app.other, app.job);"
INHERITED = {
    (HEIR, "update app.job set state = 'x'"): "conditional",
    (HEIR, "update only app.job set state = 'x'"): "guaranteed",
    (HEIR, "update app.old set state = 'x'"): "missing",
    (HEIR, "insert into app.job (id, state) values (1, 'x')"): "guaranteed",
    (f"{HEIR} {ON_HEIR}", "update app.job set state = 'x'"): "guaranteed",
    (f"{HEIR} {ON_HEIR}", "update app.old set state = 'x'"): "guaranteed",
    (f"{HEIR} alter table app.old no inherit app.job;", "update app.job set state = 'x'"): "guaranteed",
    ("create table app.old (like app.job); alter table app.old inherit app.job;", "update app.job set state = 'x'"): "conditional",
    (f"{HEIR} {AT_ONCE}", "update app.job set state = 'x'"): "guaranteed",
    (f"{HEIR} {AT_ONCE}", "update app.old set state = 'x'"): "missing",
    (f"{HEIR} {AT_ONCE.replace('app.job', 'app.old')}", "update app.job set state = 'x'"): "conditional",
    (HEIR, "insert into app.job (id, state) values (1, 'x') on conflict (id) do update set state = 'x'"): "guaranteed",
    (OF_TWO, "delete from app.job"): "missing",
    (OF_TWO, "update app.job set state = 'x'"): "conditional",
    (f"{HEIR} create table app.older () inherits (app.old); {ON_HEIR}", "update app.job set state = 'x'"): "conditional",
    (f"{HEIR} {EMPTIED}", "truncate app.job"): "conditional",
    (f"{HEIR} {EMPTIED}", "truncate only app.job"): "guaranteed",
    (f"{HEIR} {EMPTIED} {EMPTIED.replace('app.job', 'app.old')}", "truncate app.job"): "guaranteed",
    ("create table app.old partition of app.job for values in (1);", "update app.job set state = 'x'"): "guaranteed",
    ("create table app.old partition of app.job for values in (1);", "update app.old set state = 'x'"): "guaranteed",
}


@pytest.mark.parametrize("case", INHERITED)
def test_a_row_trigger_is_passed_on_to_partitions_and_not_to_heirs(scan: Scan, case: tuple[str, str]) -> None:
    tables, statement = case
    report = scan(f"{JOB} {NOTE} {tables} create function app.f() returns void language sql as $$ {statement}; $$;", config=AUDIT)

    assert report.statuses() == {"app.f": INHERITED[case]}


WITH_DEFAULT = "create table app.job (id int primary key, state text not null default 'new'); create table app.log (id int);"
FIRST_STATES = {
    """merge into app.job j using app.log l on j.id = l.id when matched then update set state = 'x'
       when not matched then insert (id) values (l.id)""": ["x", "new"],
    """merge into app.job j using app.log l on j.id = l.id when matched then update set state = 'x'
       when not matched then insert (id, state) values (l.id, 'y')""": ["x", "y"],
    "merge into app.job j using app.log l on j.id = l.id when not matched then insert default values": ["new"],
    """merge into app.job j using app.log l on j.id = l.id when not matched and l.id > 1 then insert (id, state) values (1, 'y')
       when not matched then insert (id) values (2)""": ["y", "new"],
    "insert into app.job (id) values (1) on conflict (id) do update set state = 'z'": ["z", "new"],
    "insert into app.job (id, state) values (1, 'y') on conflict (id) do update set state = 'z'": ["y", "z"],
    "insert into app.job (id) values (1)": ["new"],
    "update app.job set state = default": ["new"],
}


@pytest.mark.parametrize("statement", FIRST_STATES)
def test_a_row_that_an_arm_makes_without_the_state_has_its_default(scan: Scan, statement: str) -> None:
    report = scan(f"{WITH_DEFAULT} create function app.f() returns void language sql as $$ {statement}; $$;")
    write = next(w for w in report.document["writes"] if w["effect"] == "state")

    assert write["state_values"] == FIRST_STATES[statement]
