"""Each rule's page is made from the rule; the rule reports the page's bad case and is silent on the good one."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import psycopg
import pytest

from docs.pages import DOCS, ROOT
from tollway.audit.rules import RULES
from tollway.audit.rules.example import SCHEMA, Case


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_rule_pages", ROOT / "tools" / "generate_rule_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.ID)
def test_the_page_is_what_the_rule_says(generator, rule) -> None:
    assert (DOCS / "audit" / "rules" / f"{rule.ID}.md").read_text("utf-8") == generator.page(rule)


def test_no_page_is_left_over_and_the_index_is_up_to_date(generator) -> None:
    folder = DOCS / "audit" / "rules"

    assert (folder / "README.md").read_text("utf-8") == generator.index()
    assert sorted(file.name for file in folder.iterdir()) == sorted(["README.md", *(f"{rule.ID}.md" for rule in RULES)])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.ID)
def test_the_bad_case_is_reported_and_the_good_one_is_not(generator, rule) -> None:
    assert generator.findings(generator.report(rule.BAD_CASE), rule.ID)

    printed = generator.report(rule.GOOD_CASE)
    assert "places not read" in printed  # the report came to its end
    assert generator.findings(printed, rule.ID) == []


def test_a_when_is_no_hole_where_another_trigger_sees_the_rest(generator) -> None:
    """BP007 is about changes that pass by: one trigger for each state is a way to write them all."""
    (rule,) = (rule for rule in RULES if rule.ID == "BP007")
    bad = rule.BAD_CASE.sql
    body = "for each row when (new.status in ('new', 'shipped')) execute function shop.note_order();"
    second = f"create trigger note_more after update on shop.orders {body}\n"

    assert generator.findings(generator.report(Case(bad)), "BP007")
    assert generator.findings(generator.report(Case(bad + second)), "BP007") == []
    assert generator.findings(generator.report(Case(bad + second.replace("'new', ", ""))), "BP007")
    assert generator.findings(generator.report(Case(bad + second + "alter table shop.orders disable trigger note_more;\n")), "BP007")


NEEDS_MORE = {
    "BP006": 'language "plpython3u"',
    "BP010": 'schema "cron"',
    "BP015": 'role "web"',
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.ID)
def test_the_cases_are_sql_that_postgres_takes(rule, db) -> None:
    """Or it names what a plain server does not have: a language, an extension, a role."""
    with db.connect() as conn:
        for case in (rule.BAD_CASE, rule.GOOD_CASE):
            conn.execute("drop schema if exists shop cascade; create schema shop")
            conn.execute(SCHEMA)
            if rule.ID in NEEDS_MORE and (case is rule.BAD_CASE or rule.ID != "BP006"):
                with pytest.raises(psycopg.Error, match=NEEDS_MORE[rule.ID]):
                    conn.execute(case.sql)
                conn.rollback()
            else:
                conn.execute(case.sql)
