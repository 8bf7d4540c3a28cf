"""SARIF: valid by the standard's own schema, with code flows, suppressions and fingerprints that survive edits."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from jsonschema import Draft4Validator, FormatChecker

from tollway.audit.rules import RULES
from tollway.audit.rules.example import CONFIG, SCHEMA

HERE = Path(__file__).parent
ORIGIN = HERE.parent / "origin"
VALIDATOR = Draft4Validator(json.loads((HERE / "sarif" / "sarif-schema-2.1.0.json").read_text("utf-8")), format_checker=FormatChecker())


@pytest.fixture
def sarif(run):
    """sarif(*arguments) -> the only run of the document, which the schema has found valid."""

    def call(*arguments: str) -> dict:
        document = json.loads(run("scan", *arguments, "--format", "sarif")[1])
        assert [f"{list(e.absolute_path)}: {e.message}" for e in VALIDATOR.iter_errors(document)] == []
        return document["runs"][0]

    return call


def test_the_schema_is_the_standards_and_refuses_what_it_does_not_know():
    Draft4Validator.check_schema(VALIDATOR.schema)
    assert VALIDATOR.schema["id"].endswith("v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json")
    assert not VALIDATOR.is_valid({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "reslts": []}]})


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.ID)
def test_the_findings_of_each_rule_are_valid(rule, tmp_path, monkeypatch, sarif):
    monkeypatch.chdir(tmp_path)
    case = rule.BAD_CASE
    common = [line for line in CONFIG.splitlines() if not (case.config and line.startswith("state ="))]
    (tmp_path / "tollway-audit.toml").write_text(case.config + "\n".join(common))
    (tmp_path / "schema.sql").write_text(SCHEMA)
    (tmp_path / "case.sql").write_text(case.sql)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "shop.py").write_text(case.python)

    found = sarif("schema.sql", "case.sql", "--python", "app")
    rules = found["tool"]["driver"]["rules"]
    assert rule.ID in [r["ruleId"] for r in found["results"]]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in found["results"])


def test_the_path_is_a_code_flow_from_the_finding_to_its_end(sarif, monkeypatch):
    monkeypatch.chdir(ORIGIN)
    results = sarif("sql/001_engine.sql")["results"]
    (incident,) = [r for r in results if r["message"]["text"].startswith("engine.claim_task/2 calls engine.fail_run/3")]

    (flow,) = incident["codeFlows"]
    steps = [step["location"]["physicalLocation"] for step in flow["threadFlows"][0]["locations"]]
    assert [(s["artifactLocation"]["uri"], s["region"]["startLine"]) for s in steps[:2]] == [
        ("sql/001_engine.sql", 94),
        ("sql/001_engine.sql", 132),
    ]


def test_fingerprints_have_no_lines_and_are_all_different(shop, sarif):
    file = shop / "db" / "shop.sql"
    file.write_text(file.read_text() + "\n" + file.read_text().split("\n\n")[-1].replace("cancel(", "drop_it("))
    (shop / "tollway-audit.toml").write_text('[[require]]\neffect = "log"\ninsert = "public.order_log"\n')

    def prints() -> list[str]:
        return [r["partialFingerprints"]["tollwayAudit/v1"] for r in sarif("db")["results"]]

    before = prints()
    file.write_text("\n\n-- a remark\n\n" + file.read_text())
    assert prints() == before
    assert len(set(before)) == len(before) >= 2


def test_a_suppressed_finding_is_there_with_its_reason(shop, sarif):
    file = shop / "db" / "shop.sql"
    file.write_text(
        file.read_text().replace("'cancelled' where id = p_id;", "'cancelled' where id = p_id; -- tollway: ignore BP001 reason='once'")
    )

    (result,) = sarif("db")["results"]
    (suppression,) = result["suppressions"]
    assert (suppression["kind"], suppression["justification"]) == ("inSource", "once")


def test_what_was_not_read_makes_the_run_unsuccessful(shop, sarif):
    assert sarif("db")["invocations"][0] == {"executionSuccessful": True, "toolExecutionNotifications": []}
    (shop / "db" / "x.sql").write_bytes(b"PGDMP\0")

    (invocation,) = sarif("db")["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "binary" in invocation["toolExecutionNotifications"][0]["message"]["text"]


@pytest.mark.parametrize("name", ["with space.sql", "größe%20.sql", "a+b?.sql"])
def test_a_file_name_becomes_a_uri(shop, sarif, name):
    (shop / "db" / "shop.sql").rename(shop / "db" / name)

    (result,) = sarif("db")["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    parts = urlsplit(uri)
    assert unquote(parts.path) == f"db/{name}"
    assert uri.isascii()
    assert (parts.query, parts.fragment, " " in uri) == ("", "", False)
