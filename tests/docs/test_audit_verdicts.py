"""Every case on the page about verdicts gets the verdict that the page says, where it is right and where it is wrong."""

from __future__ import annotations

import pytest

from docs.pages import DOCS, Block, blocks_of
from tollway.audit.analysis import Analysis, read_sources
from tollway.audit.cli.pipeline import judge
from tollway.audit.config import Config, Requirement
from tollway.audit.load.code import Source
from tollway.audit.rules.example import SCHEMA

CASES = [block for block in blocks_of(DOCS / "audit" / "verdicts.md") if block.language == "sql"]


def analysed(sql: str) -> Analysis:
    log = Requirement("log", "insert", "shop.order_log")
    return judge(read_sources(Config(state=("shop.orders.status",), require=(log,)), [Source("case.sql", SCHEMA + sql)]))


def test_there_are_cases_and_each_says_its_verdict() -> None:
    assert len(CASES) >= 7
    assert all("verdict" in block.marks for block in CASES)


@pytest.mark.parametrize("block", CASES, ids=lambda block: block.place)
def test_a_case_gets_the_verdict_of_the_page(block: Block) -> None:
    assert [v.status for v in analysed(block.text).verdicts] == [block.marks["verdict"]]


@pytest.mark.parametrize("block", CASES, ids=lambda block: block.place)
def test_a_case_is_sql_that_postgres_takes(block: Block, db) -> None:
    db.conn.execute("create schema shop")
    db.conn.execute(SCHEMA)
    db.conn.execute(block.text)


def test_rows_that_are_returned_are_all_that_is_asked_of_a_change_of_many() -> None:
    (sql,) = (block.text for block in CASES if "pay_all" in block.text)
    returned = sql.replace("returns void", "returns setof bigint").replace("update shop", "return query update shop")

    assert [f.id for f in analysed(sql).findings] == ["BP014"]
    assert analysed(returned.replace("where status = 'new'", "where status = 'new' returning id")).findings == []


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ("for each statement execute function shop.note();", "guaranteed"),
        ("for each row when (new.status = 'shipped') execute function shop.note();", "missing"),
    ],
)
def test_what_the_page_says_of_triggers(more: str, verdict: str) -> None:
    sql = CASES[0].text.replace("for each row execute function shop.note();", more)

    assert [v.status for v in analysed(sql).verdicts] == [verdict]


def test_a_write_of_another_column_has_no_verdict() -> None:
    sql = """
        create function shop.b() returns trigger language plpgsql as $$ begin new.status := 'paid'; return new; end $$;
        create trigger b before update on shop.orders for each row execute function shop.b();
        create function shop.touch(p_id bigint) returns void language sql as $$ update shop.orders set note = 'x' where id = p_id $$;"""

    assert analysed(sql).verdicts == []


def test_an_effect_under_if_found_is_left_to_a_person() -> None:
    sql = (
        CASES[1]
        .text.replace("if p_quiet then\n    return;\n  end if;\n", "if found then")
        .replace("'paid');\nend", "'paid');\nend if;\nend")
    )

    assert [v.status for v in analysed(sql).verdicts] == ["guarded"]
