"""The JSON of a scan keeps its contract: every name and type is the published schema's, whatever is scanned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tollway.audit.rules import RULES
from tollway.audit.rules.example import CONFIG, SCHEMA

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CONTRACT = json.loads((ROOT / "docs" / "audit" / "scan.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(CONTRACT, format_checker=Draft202012Validator.FORMAT_CHECKER)

PROMISED = {
    "routine": {"name", "args", "file", "line_start", "line_end", "language"},
    "write": {"routine", "verb", "relation", "columns", "line", "dynamic", "effect", "state_values", "confidence"},
    "call": {"from", "to", "line", "kind"},
    "verdict": {"write", "effect", "status", "proof"},
    "finding": {"id", "message", "file", "line", "fingerprint", "path"},
}


@pytest.fixture
def valid(run):
    """valid(*arguments) -> the document of a scan, after the schema has found nothing wrong with it."""

    def call(*arguments: str) -> dict:
        document = json.loads(run("scan", *arguments, "--format", "json", "--no-cache")[1])
        assert [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(document)] == []
        return document

    return call


def test_the_schema_itself_promises_the_fields():
    Draft202012Validator.check_schema(CONTRACT)
    for name, fields in PROMISED.items():
        assert set(CONTRACT["$defs"][name]["required"]) >= fields
    assert set(CONTRACT["required"]) >= {"schema_version", "routines", "writes", "calls", "triggers", "unknowns", "verdicts", "findings"}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.ID)
def test_the_case_of_each_rule_is_of_the_contract(rule, tmp_path, monkeypatch, valid):
    monkeypatch.chdir(tmp_path)
    case = rule.BAD_CASE
    common = [line for line in CONFIG.splitlines() if not (case.config and line.startswith("state ="))]
    (tmp_path / "tollway-audit.toml").write_text(case.config + "\n".join(common))
    (tmp_path / "schema.sql").write_text(SCHEMA)
    (tmp_path / "case.sql").write_text(case.sql)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "shop.py").write_text(case.python)

    assert rule.ID in {f["id"] for f in valid("schema.sql", "case.sql", "--python", "app")["findings"]}


@pytest.mark.parametrize(
    "folder", ["tests/audit/origin", "src/tollway/sql", *sorted(f"tests/audit/truth/blind/{n}" for n in ("planner", "tenantq"))]
)
def test_whole_projects_are_of_the_contract(folder, monkeypatch, valid):
    monkeypatch.chdir(ROOT)
    config = ROOT / folder / "tollway-audit.toml"

    document = valid(folder, "--python", folder, *(["--config", str(config)] if config.exists() else []))
    assert document["writes"]
    assert document["routines"]


def test_what_is_suppressed_and_what_is_not_read_is_of_the_contract(shop, valid):
    file = shop / "db" / "shop.sql"
    silence = "-- tollway: ignore BP001 reason=\"known\" owner=billing until=2999-01-31\n  update public.orders set status = 'cancelled'"
    file.write_text(file.read_text().replace("update public.orders set status = 'cancelled'", silence))
    (shop / "db" / "x.sql").write_bytes(b"PGDMP\0")

    document = valid("db")
    assert [f["suppression"]["until"] for f in document["suppressed"]] == ["2999-01-31"]
    assert document["unknowns"]


def test_a_computed_name_and_the_line_of_the_verb(shop, valid):
    (shop / "db" / "z.sql").write_text(
        "create function public.f(q text) returns void language plpgsql as $$ begin\n  execute format($q$\n"
        "    with a as (select 1)\n    update\n      public.t_%s set status = 'x'$q$, q);\nend $$;\n"
    )

    (write,) = (w for w in valid("db")["writes"] if w["routine"] == "public.f")
    assert (write["relation"], write["line"], write["dynamic"], write["verb"]) == ("public.t_*", 4, True, "update")


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("writes", "line", "7"),
        ("writes", "effect", "perhaps"),
        ("calls", "kind", "x"),
        ("findings", "fingerprint", "XYZ"),
        ("routines", "new", 1),
    ],
)
def test_the_schema_refuses_what_is_not_promised(shop, valid, part, key, value):
    (shop / "db" / "z.sql").write_text("create function public.f() returns void language sql as $$ select public.cancel(1) $$;")
    document = valid("db")
    document[part][0][key] = value

    assert not VALIDATOR.is_valid(document)
