"""The ladder: how surely an effect follows a change of state."""

from __future__ import annotations

import pytest

PAY = "update app.orders set status = 'paid' where id = p_id;"
LOGGED = "insert into app.log values (1, p_id, 'paid');"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"begin {PAY} end", "missing"),
        (f"begin {PAY} {LOGGED} end", "same block"),
        (f"begin {LOGGED} {PAY} end", "same block"),
        (
            "begin with u as (update app.orders set status = 'paid' returning id) insert into app.log select 1, id from u; end",
            "same statement",
        ),
        (f"begin {PAY} if found then {LOGGED} end if; end", "guarded"),
        (f"begin {PAY} if p_id > 3 then {LOGGED} end if; end", "conditional"),
        (f"begin {PAY} if p_id > 3 then {LOGGED} else {LOGGED} end if; end", "same block"),
        (f"begin {PAY} if not found then raise exception 'no'; end if; {LOGGED} end", "same block"),
        (f"begin {PAY} if not found then raise exception 'no'; end if; end", "missing"),
        (f"begin {PAY} if p_id > 3 then return; end if; {LOGGED} end", "conditional"),
        (f"begin if p_id > 3 then return; end if; {PAY} {LOGGED} end", "same block"),
        (f"begin {PAY} begin {LOGGED} exception when others then null; end; end", "conditional"),
        (f"begin {PAY} begin {LOGGED} exception when others then raise exception 'x'; end; end", "same block"),
        (f"begin begin {PAY} {LOGGED} exception when others then null; end; end", "same block"),
        (f"begin {PAY} while p_id > 3 loop {LOGGED} end loop; end", "conditional"),
        (f"begin if p_id > 3 then {PAY} end if; {LOGGED} end", "same block"),
        (f"begin if p_id > 3 then {PAY} else {LOGGED} end if; end", "missing"),
        (f"begin {PAY} perform app.note(p_id); end", "callee"),
    ],
)
def test_the_body(status, body, expected):
    note = "create function app.note(p_id bigint) returns void language sql as $$ insert into app.log values (1, p_id, 'x') $$;"

    assert status(body, note) == expected


TRIGGER = """create function app.t() returns trigger language plpgsql as $$ begin {body} return new; end $$;
create trigger t {when} on app.orders for each row {cond} execute function app.t();"""
NOTE = "insert into app.log values (1, new.id, new.status);"


@pytest.mark.parametrize(
    ("body", "when", "cond", "expected"),
    [
        (NOTE, "after update", "", "guaranteed"),
        (NOTE, "after insert", "", "missing"),
        (NOTE, "after update of status", "", "guaranteed"),
        (NOTE, "after update of note", "", "missing"),
        (NOTE, "after update", "when (new.status in ('paid', 'shipped'))", "guaranteed"),
        (NOTE, "after update", "when (new.status = 'shipped')", "missing"),
        (NOTE, "after update", "when (old.status is distinct from new.status)", "guaranteed"),
        (NOTE, "after update", "when (new.note is null)", "conditional"),
        (f"if tg_op = 'INSERT' then null; else {NOTE} end if;", "after insert or update", "", "guaranteed"),
        (f"if tg_op = 'INSERT' then {NOTE} end if;", "after insert or update", "", "missing"),
        (f"if new.status = old.status then return new; end if; {NOTE}", "after update", "", "conditional"),
        (f"begin {NOTE} exception when others then null; end;", "after update", "", "conditional"),
        (
            "insert into app.log select 1, e from (select case new.status when 'paid' then 1 else null end as e) t where e is not null;",
            *("after update", "", "conditional"),
        ),
        (f"case new.status when 'paid' then {NOTE} else null; end case;", "after update", "", "guaranteed"),
        (f"case new.status when 'shipped' then {NOTE} else null; end case;", "after update", "", "missing"),
    ],
)
def test_a_trigger(status, body, when, cond, expected):
    assert status(f"begin {PAY} end", TRIGGER.format(body=body, when=when, cond=cond)) == expected


@pytest.mark.parametrize(("switch", "expected"), [("disable", "disabled"), ("enable replica", "disabled"), ("enable always", "guaranteed")])
def test_a_trigger_must_be_on(status, switch, expected):
    made = TRIGGER.format(body=NOTE, when="after update", cond="")

    assert status(f"begin {PAY} end", f"{made} alter table app.orders {switch} trigger t;") == expected


def test_a_dropped_trigger_guarantees_nothing(status):
    made = TRIGGER.format(body=NOTE, when="after update", cond="")

    assert status(f"begin {PAY} end", f"{made} drop trigger t on app.orders;") == "missing"


def test_a_row_trigger_does_not_see_truncate(status):
    made = TRIGGER.format(body=NOTE, when="after insert or update or delete", cond="")

    assert status("begin truncate app.orders; end", made) == "missing"


@pytest.mark.parametrize(("when", "expected"), [("after insert", "conditional"), ("after insert or update", "guaranteed")])
def test_an_upsert_needs_both_events(status, when, expected):
    made = TRIGGER.format(body=NOTE, when=when, cond="")
    upsert = "insert into app.orders values (1, 'new') on conflict (id) do update set status = 'paid';"

    assert status(f"begin {upsert} end", made) == expected
