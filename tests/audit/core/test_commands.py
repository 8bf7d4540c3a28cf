"""The command: exit codes, formats, and inputs that cannot be read."""

from __future__ import annotations

import json
import sys

import pytest

from tollway.audit.commands import main

CLEAN = "create table t (id int, status text check (status in ('new', 'done')));\n"
CHANGE = "create function f(i int) returns void language sql as $$ update t set status = 'done' where id = i $$;\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with one SQL file, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sql").write_text(CLEAN + CHANGE)
    return tmp_path


def test_a_clean_project_exits_with_zero_and_says_that_states_are_inferred(project, capsys):
    assert main(["scan", "a.sql"]) == 0
    assert "inferred" in capsys.readouterr().out


def test_a_missing_effect_exits_with_one(project, capsys):
    (project / "tollway-audit.toml").write_text('state = ["t.status"]\n[[require]]\neffect = "audit"\ninsert = "log"\n')

    assert main(["scan", "a.sql"]) == 1
    assert "BP001" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("stat = []", "did you mean 'state'"),
        ("state = 'x'", "list of strings"),
        ("state = ['x']", "schema.table.column"),
        ("= 1", "not TOML"),
    ],
)
def test_a_wrong_configuration_exits_with_two_and_says_what_to_do(project, capsys, toml, said):
    (project / "c.toml").write_text(toml)

    assert main(["scan", "a.sql", "--config", "c.toml"]) == 2
    assert said in capsys.readouterr().err


def test_what_cannot_be_read_is_named_and_the_rest_is_read(project, capsys):
    (project / "b.sql").write_bytes(b"PGDMP\0\1")
    (project / "c.sql").write_bytes(b"-- caf\xe9\ndelete from t;")

    assert main(["scan", "a.sql", "b.sql", "c.sql", "none.sql", "--format", "json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert [u["file"] for u in found["unknowns"]] == ["b.sql", "c.sql", "none.sql"]
    assert [w["verb"] for w in found["writes"]] == ["update", "delete"]


def test_the_json_contract(project, capsys):
    assert main(["scan", ".", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert found["schema_version"] == 1
    write = found["writes"][0]
    assert {k: write[k] for k in ("routine", "verb", "relation", "columns", "line", "dynamic", "effect", "state_values", "confidence")} == {
        "routine": "f",
        "verb": "update",
        "relation": "t",
        "columns": ["status"],
        "line": 2,
        "dynamic": False,
        "effect": "state",
        "state_values": ["done"],
        "confidence": 1.0,
    }
    assert set(found["routines"][0]) >= {"name", "args", "file", "line_start", "line_end", "language"}
    assert set(found) >= {"calls", "triggers", "unknowns", "verdicts", "findings"}


def test_sarif_has_rules_results_and_fingerprints(project, capsys):
    (project / "b.sql").write_text("create function g(s text) returns void language plpgsql as $$ begin execute s; end $$;")

    assert main(["scan", "b.sql", "--format", "sarif"]) == 3
    run = json.loads(capsys.readouterr().out)["runs"][0]
    assert run["results"][0]["ruleId"] in [r["id"] for r in run["tool"]["driver"]["rules"]]
    assert len(run["results"][0]["partialFingerprints"]["tollwayAudit/v1"]) == 16


def test_sql_in_a_string_constant_of_python_keeps_its_lines(project, capsys):
    (project / "m.py").write_text(f'import os\n\nSQL = """\\\n{CLEAN}{CHANGE}delete from t;\n"""\n')
    (project / "n.py").write_text(f"ONE = {CLEAN + CHANGE + ';;;'!r}\n")

    main(["scan", "m.py", "--format", "json"])
    main(["scan", "n.py", "--format", "json"])
    both = capsys.readouterr().out.replace("}\n{", "}\0{").split("\0")
    found = [(w["file"], w["verb"], w["line"]) for text in both for w in json.loads(text)["writes"]]
    assert found == [("m.py", "update", 5), ("m.py", "delete", 6), ("n.py#ONE", "update", 2)]


def test_the_whole_schema_of_a_module_has_the_last_word_over_its_migrations(project, capsys):
    old = CLEAN + CHANGE.replace("'done'", "'new'") + ";;;"
    (project / "m.py").write_text(f"ALL = {CLEAN + CHANGE + ';;;'!r}\nSTEPS = {{'1': {old!r}}}\n")

    main(["scan", "m.py", "--format", "json"])
    assert [w["state_values"] for w in json.loads(capsys.readouterr().out)["writes"]] == [["done"]]


def test_without_the_parser_it_says_how_to_install_it(project, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "postgast", None)

    assert main(["scan", "a.sql"]) == 2
    assert "pip install 'tollway[audit]'" in capsys.readouterr().err


def test_files_come_in_the_order_of_their_numbers(project, capsys):
    (project / "V2__f.sql").write_text("create or replace function f(i int) returns void language sql as $$ delete from t $$;")
    (project / "V10__f.sql").write_text("create or replace function f(i integer) returns void language sql as $$ select 1 $$;")

    assert main(["scan", "a.sql", "V*.sql", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["writes"] == []
