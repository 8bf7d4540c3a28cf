"""explain, baseline, and the formats for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tollway.audit.rules import RULES

ORIGIN = Path(__file__).parents[1] / "origin"


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.ID)
def test_explain_says_why(run, rule):
    code, out, _ = run("explain", rule.ID.lower())

    assert code == 0
    assert rule.TITLE in out
    assert rule.WHY in out


def test_explain_of_a_rule_that_does_not_exist_says_which_is_near(run):
    code, _, err = run("explain", "BP0O1")

    assert code == 2
    assert "did you mean BP001?" in err


def fingerprint(run, *scan: str) -> str:
    return json.loads(run("scan", *scan, "--format", "json")[1])["findings"][0]["fingerprint"]


def test_a_finding_reads_like_an_error_of_a_compiler(shop, run):
    out = run("scan", "db")[1]

    assert out.startswith(
        """\
BP001: public.cancel/1: update public.orders.status to cancelled without order_log: missing  [inferred]
  --> db/shop.sql:21:3
     |
  21 |   update public.orders set status = 'cancelled' where id = p_id;
     |   ^^^^^^
  why:  Whoever reads the effect instead of the state sees something that is no longer true.
  mend: write the effect in a trigger"""
    )
    assert f"  more: tollway audit explain {fingerprint(run, 'db')}\n" in out


def test_explain_of_a_fingerprint_says_what_where_why_how_to_mend_and_how_to_silence(shop, run):
    known = fingerprint(run, "db")

    code, out, _ = run("explain", known, "db")
    assert code == 0
    assert "BP001: public.cancel/1: update public.orders.status to cancelled" in out
    assert "--> db/shop.sql:21:3\n   |\n19 | create function public.cancel" in out
    assert {line.split(":")[0] for line in out.splitlines()} >= {"why", "mend", "rule", "misses", "silence"}
    assert f'fingerprint = "{known}"' in out
    assert run("explain", known[:6], "db")[1] == out


def test_explain_shows_the_path_with_the_line_of_each_step(run, monkeypatch):
    monkeypatch.chdir(ORIGIN)
    found = json.loads(run("scan", "sql/001_engine.sql", "--format", "json")[1])["findings"]
    (incident,) = [f for f in found if f["message"].startswith("engine.claim_task/2 calls engine.fail_run/3")]

    out = run("explain", incident["fingerprint"], "sql/001_engine.sql")[1]
    assert "  1. sql/001_engine.sql:94  perform engine.fail_run(p_queue, v_expired, 'lease expired');\n  2. sql/001_engine.sql:132  " in out


def test_explain_of_a_routine_says_what_it_changes_and_who_reaches_it(run, monkeypatch):
    monkeypatch.chdir(ORIGIN)

    code, out, _ = run("explain", "fail_run", "sql/001_engine.sql")
    assert code == 0
    assert out.startswith(
        "engine.fail_run/3: plpgsql at sql/001_engine.sql:124\nchanges a state:\n  sql/001_engine.sql:132  update engine.r_*"
    )
    assert "sync: python only" in out
    assert "  client:Client.claim > engine.claim_task/2 > engine.fail_run/3\n" in out
    assert "BP003" in out


@pytest.mark.parametrize(
    ("named", "hint"), [("cancle", "did you mean public.cancel?"), ("zzzz", "was it mended"), ("abcdef12", "was it mended")]
)
def test_explain_of_what_is_not_there(shop, run, named, hint):
    code, out, err = run("explain", named, "db")

    assert (code, out) == (2, "")
    assert f"no rule, finding or routine is called {named}\nhint: " in err
    assert hint in err


def test_a_baseline_hides_what_is_known_and_nothing_else(shop, run):
    assert run("baseline", "db", "--output", "known.json")[0] == 0
    assert run("scan", "db", "--baseline", "known.json")[0] == 0
    file = shop / "db" / "shop.sql"
    again = file.read_text().replace("'cancelled' where", "'new' where").replace("public.cancel(", "public.reopen(")
    file.write_text("\n\n" + file.read_text() + again[again.index("create function public.reopen") :])

    code, out, _ = run("scan", "db", "--baseline", "known.json")
    assert code == 1
    assert [line.split(":")[1] for line in out.splitlines() if line.startswith("BP001")] == [" public.reopen/1"]


@pytest.mark.parametrize(("text", "said"), [(None, "No such file"), ("{", "not a baseline"), ('{"version": 9}', "version 9")])
def test_a_broken_baseline_is_a_wrong_configuration(shop, run, text, said):
    if text is not None:
        (shop / "k.json").write_text(text)

    code, _, err = run("scan", "db", "--baseline", "k.json")
    assert code == 2
    assert said in err


def test_a_baseline_does_not_hide_what_was_not_read(shop, run):
    (shop / "db" / "x.sql").write_bytes(b"PGDMP\0")
    run("baseline", "db", "--output", "known.json")

    assert run("scan", "db", "--baseline", "known.json")[0] == 3


def test_github_annotations_name_file_and_line(shop, run):
    code, out, _ = run("scan", "db", "--format", "github")

    assert code == 1
    assert out.startswith("::warning file=db/shop.sql,line=21,col=3,title=BP001::public.cancel/1: update")


def test_junit_fails_the_rule_that_found_something(shop, run):
    suite = ET.fromstring(run("scan", "db", "--format", "junit")[1])

    assert [c.get("classname") for c in suite if c.find("failure") is not None] == ["BP001"]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(RULES)), "1")


def test_markdown_keeps_names_out_of_emphasis(shop, run):
    out = run("scan", "db", "--format", "markdown")[1]

    assert "| BP001 | db/shop.sql:21 | public.cancel/1: update public.orders.status to cancelled without order\\_log: missing |" in out
