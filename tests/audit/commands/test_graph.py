"""graph: the paths to a change of state, in three forms, with odd names quoted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ORIGIN = Path(__file__).parents[1] / "origin"

MERMAID = re.compile(
    r"""flowchart\ LR
    | \ \ n\d+(\[\("[^"]*"\)\] | \["[^"]*"\] | \{\{"[^"]*"\}\} | \[\["[^"]*"\]\] | \(\["[^"]*"\]\))
    | \ \ n\d+\ (-->|-\.->)\|"[^"]*"\|\ n\d+
    | \ \ linkStyle\ \d+\ stroke:\#[0-9a-f]{6},stroke-width:2px""",
    re.X,
)
TEXT = r'"(?:[^"\\]|\\["\\n])*"'
DOT = re.compile(rf"digraph audit \{{|  rankdir=LR;|  n\d+( -> n\d+)? \[(\w+=(\w+|{TEXT})(, )?)+\];|\}}")

JOBS = """
create function public.note_order() returns trigger language plpgsql as $$
begin
  update public.orders set status = 'shipped' where id = new.id;
  return null;
end $$;
create table public.parcels (id bigint, order_id bigint references public.orders (id) on delete cascade);
create trigger note_order after insert on public.parcels for each row execute function public.note_order();
create function public.pack(p_id bigint) returns void language sql as $$ insert into public.parcels (id, order_id) values (1, p_id) $$;
create function "Odd ""name"" |<b>;"(p_id bigint) returns void language sql as $$ select public.cancel(p_id) $$;
select cron.schedule('nightly', '0 3 * * *', 'select public.cancel(7)');
"""


@pytest.fixture
def drawn(shop, run):
    """The shop with a trigger that changes the state, a job, an odd name, and a Python caller."""
    (shop / "db" / "z.sql").write_text(JOBS)
    (shop / "tollway-audit.toml").write_text('[[require]]\neffect = "order_log"\ninsert = "public.order_log"\n')
    (shop / "app").mkdir()
    (shop / "app" / "desk.py").write_text('def refund(conn, order):\n    conn.execute("select public.cancel(%s)", (order,))\n')

    def call(form: str, *more: str) -> str:
        code, out, err = run("graph", "db", "--python", "app", "--format", form, *more)
        assert (code, err) == (0, "")
        return out

    return call


@pytest.mark.parametrize(("form", "line"), [("mermaid", MERMAID), ("dot", DOT)])
def test_every_line_is_of_the_language_whatever_the_names_are(drawn, form, line):
    text = drawn(form)

    assert [odd for odd in text.splitlines() if not line.fullmatch(odd)] == []
    assert "Odd" in text


def test_the_paths_from_sql_triggers_cron_and_python_are_there(drawn):
    paths = json.loads(drawn("json", "--to", "orders.status"))["paths"]
    state = "public.orders.status"

    assert ["public.pack/1", "public.note_order/0", state] in paths
    assert ["(scheduled)", "public.cancel/1", state] in paths
    assert ["desk:refund", "public.cancel/1", state] in paths


def test_the_edge_that_lacks_an_effect_is_marked(drawn):
    edges = json.loads(drawn("json"))["edges"]
    lacking = {e["from"]: e["lacks"] for e in edges if e["lacks"]}

    assert lacking["public.cancel/1"] == [{"effect": "order_log", "status": "missing"}]
    assert "public.pay/1" not in lacking
    assert re.search(r"update to cancelled<br/>db/shop.sql:21<br/>order_log: missing", drawn("mermaid"))
    assert "linkStyle" in drawn("mermaid")
    assert re.search(r'order_log: missing", color="#c62828"', drawn("dot"))


def test_the_picture_of_a_routine_shows_its_callers_only(drawn):
    found = json.loads(drawn("json", "--to", "cancel"))

    assert found["goals"] == ["public.cancel/1"]
    assert "public.pay/1" not in [n["id"] for n in found["nodes"]]
    assert {e["to"] for e in found["edges"]} == {"public.cancel/1"}


def test_the_path_of_the_incident_is_shown(run, monkeypatch):
    monkeypatch.chdir(ORIGIN)

    paths = json.loads(run("graph", "--to", "engine.r_*.state", "--format", "json")[1])["paths"]
    assert ["client:Client.claim", "engine.claim_task/2", "engine.fail_run/3", "engine.r_*.state"] in paths


@pytest.mark.parametrize(
    ("named", "meant"), [("orders.statsu", "public.orders.status"), ("cancle", "public.cancel"), ("public.shp", "public.ship")]
)
def test_a_name_that_is_not_there_says_which_is_near(shop, run, named, meant):
    code, out, err = run("graph", "db", "--to", named)

    assert (code, out) == (2, "")
    assert err == f"tollway audit: no state and no routine is called {named}\nhint: did you mean {meant}?\n"


def test_callers_in_a_circle_are_drawn_once(shop, run):
    (shop / "db" / "z.sql").write_text(
        "create function a(p bigint) returns void language sql as $$ select b(p) $$;"
        "create function b(p bigint) returns void language sql as $$ select a(p), public.cancel(p) $$;"
    )

    found = json.loads(run("graph", "db", "--to", "cancel", "--format", "json")[1])
    assert ["b/1", "public.cancel/1"] in found["paths"]
    assert len(found["edges"]) == 3


def test_what_was_not_read_is_named_and_exits_with_three(shop, run):
    (shop / "db" / "x.sql").write_bytes(b"PGDMP\0")

    code, out, err = run("graph", "db")
    assert (code, err) == (3, "not read: db/x.sql:1: binary: it has a zero byte (a pg_dump archive? give it as plain SQL)\n")
    assert out.startswith("flowchart")


def test_without_a_state_it_says_how_to_name_one(tmp_path, run):
    (tmp_path / "a.sql").write_text("create table t (id int);")

    code, _, err = run("graph", str(tmp_path))
    assert (code, "state = [" in err) == (2, True)
