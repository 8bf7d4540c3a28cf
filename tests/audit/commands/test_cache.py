"""The cache: the same bytes without reading again, and nothing that a broken or foreign file could change."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tollway.audit import analysis, config
from tollway.audit.cache import store
from tollway.audit.cli import recall
from tollway.audit.cli.inputs import Format
from tollway.audit.parse import plpgsql
from tollway.audit.rules import RULES


@pytest.fixture
def parsed(monkeypatch):
    """The bodies that were parsed so far."""
    texts: list[str] = []
    real = plpgsql.read_body

    def counted(code):
        texts.append(code.text)
        return real(code)

    monkeypatch.setattr("tollway.audit.facts.routines.read_body", counted)
    return texts


@pytest.mark.parametrize("form", list(Format))
def test_a_warm_scan_parses_no_body_and_prints_the_same_bytes(shop, run, parsed, form):
    cold = run("scan", "db", "--format", form)
    assert len(parsed) == 3

    assert run("scan", "db", "--format", form) == cold
    assert len(parsed) == 3
    assert run("scan", "db", "--format", form, "--no-cache") == cold
    assert len(parsed) == 6


def append(folder: Path, file: str, text: str) -> None:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + text)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("db/shop.sql", "-- a remark\n"),
        ("db/more.sql", "select 1;\n"),
        ("app/desk.py", "# a remark\n"),
        ("app/__init__.py", ""),
        ("tollway-audit.toml", 'ignore = ["BP014"]\n'),
        ("known.json", '{"version": 1, "findings": [{"fingerprint": "a"}]}'),
    ],
)
def test_what_changes_is_read_again(shop, run, parsed, file, text):
    append(shop, "app/desk.py", "X = 1\n")
    append(shop, "db/shop.sql", "\n")
    (shop / "old.json").write_text('{"version": 1, "findings": []}')

    def scan() -> None:
        known = "known.json" if (shop / "known.json").exists() else "old.json"
        run("scan", "db", "--python", "app", "--baseline", known)

    scan()
    scan()
    before = len(parsed)
    append(shop, file, text)
    scan()

    assert (before, len(parsed)) == (3, 6)


def test_another_version_of_the_auditor_has_other_keys(shop, run, parsed, monkeypatch):
    run("scan", "db")
    monkeypatch.setattr("tollway.audit.cache.inputs.code", lambda: "another")
    run("scan", "db")

    assert len(parsed) == 6


def test_a_suppression_may_end_over_night(shop, run, parsed, monkeypatch):
    class Tomorrow(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.now(tz) + dt.timedelta(days=1)

    run("scan", "db")
    monkeypatch.setattr("tollway.audit.cache.inputs.datetime", Tomorrow)
    run("scan", "db")

    assert len(parsed) == 6


def spoil(document: dict, **keys: object) -> str:
    return json.dumps({**document, **keys})


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: "",
        lambda _: "{",
        lambda _: "[]",
        lambda _: "\0\0\0",
        lambda d: json.dumps(d)[: len(json.dumps(d)) // 2],
        lambda d: spoil(d, version=store.VERSION + 1),
        lambda d: spoil(d, output="all is well"),
        lambda d: spoil(d, exit_code=0),
        lambda d: spoil(d, key="another"),
        lambda d: spoil(d, digest=None),
    ],
    ids=["empty", "cut", "a list", "zeros", "half", "version", "forged output", "forged code", "other key", "no digest"],
)
def test_a_broken_answer_is_no_answer(shop, run, parsed, cache_folder, broken):
    cold = run("scan", "db")
    (file,) = cache_folder.iterdir()
    file.write_text(broken(json.loads(file.read_text())))

    assert run("scan", "db") == cold
    assert len(parsed) == 6
    assert run("scan", "db") == cold
    assert len(parsed) == 6


def test_a_cache_that_cannot_be_written_is_no_error(shop, run, cache_folder):
    cold = run("scan", "db")
    for file in cache_folder.iterdir():
        file.unlink()
    cache_folder.rmdir()
    cache_folder.write_text("a file where the folder should be")

    assert run("scan", "db") == cold


def test_the_oldest_answers_go_first(shop, run, cache_folder, monkeypatch):
    monkeypatch.setattr(store, "MOST", 2)
    for number in range(4):
        (shop / "db" / "shop.sql").write_text(f"select {number};")
        run("scan", "db")
        for age, file in enumerate(sorted(cache_folder.iterdir(), key=lambda f: f.stat().st_mtime_ns)):
            os.utime(file, (1000 * number + age, 1000 * number + age))

    assert len(list(cache_folder.iterdir())) == 2


def test_nothing_of_the_cache_is_kept_in_the_project(shop, run, cache_folder):
    before = sorted(shop.rglob("*"))
    run("scan", "db")

    assert sorted(shop.rglob("*")) == before
    assert len(list(cache_folder.iterdir())) == 1


def test_two_processes_print_the_same_bytes(shop):
    """No order of a set, which differs from process to process, is ever printed."""
    outputs = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "tollway.audit", "scan", "db", "--format", "json", "--no-cache"]
        outputs.add(subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=False).stdout)

    assert len(outputs) == 1
    assert b"BP001" in outputs.pop()


def test_the_analysis_is_not_started_when_the_answer_is_known(shop, run, monkeypatch):
    cold = run("scan", "db")
    monkeypatch.setattr(analysis, "read_sources", None)

    assert run("scan", "db") == cold


HEAVY = (
    "typer",
    "rich",
    "pydantic",
    "postgast",
    "psycopg",
    "sqlalchemy",
    "tollway.audit.analysis",
    "tollway.audit.rules",
    "tollway.cli.app",
)


@pytest.mark.parametrize("module", ["tollway", "tollway.audit"])
@pytest.mark.parametrize("configured", [False, True])
def test_a_warm_scan_loads_neither_a_parser_nor_a_rule(shop, module, configured):
    """The start is most of what a warm scan costs: what it does not need it does not import."""
    if configured:
        append(shop, "tollway-audit.toml", 'ignore = ["BP014"]\nstate = ["shop.orders.status"]\n')
    command = [sys.executable, "-X", "importtime", "-m", module, *(["audit"] if module == "tollway" else []), "scan", "db"]

    def scan() -> tuple[int, str, set[str]]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        return done.returncode, done.stdout, {name for name in HEAVY if name in loaded}

    cold, warm = scan(), scan()

    assert {"typer", "postgast", "tollway.audit.analysis", "tollway.audit.rules"} <= cold[2]
    assert warm == (*cold[:2], set())


@pytest.mark.parametrize("broken", ["", "[]", "{", "null", '[["db"], [], null, null, "poem"]', "[1, 2, 3, 4, 5]", '[["db"], [], null]'])
def test_a_command_line_that_is_kept_wrong_is_read_again(shop, run, cache_folder, broken):
    cold = run("scan", "db")
    (file,) = cache_folder.with_name(recall.LINES).iterdir()
    kept = store.Cache(file.parent)
    kept.put(file.stem, store.Answer(0, broken))

    assert run("scan", "db") == cold


def test_two_command_lines_have_two_answers(shop, run):
    """Whatever is kept of one, the other is what it would be without."""
    lines = [("scan", "db"), ("scan", "db", "--format", "json"), ("scan", "db", "db"), ("scan", "--", "db"), ("scan", "db", "--no-cache")]
    first = [run(*line) for line in lines]

    assert [run(*line) for line in lines] == first
    assert first[0] != first[1]


def test_a_wrong_configuration_is_told_by_a_warm_scan_too(shop, run):
    run("scan", "db")
    append(shop, "tollway-audit.toml", 'ignore = ["BP999"]\n')

    code, out, err = run("scan", "db")

    assert (code, out) == (2, "")
    assert "BP999" in err


def test_the_rules_are_known_by_their_files():
    assert tuple(rule.ID for rule in RULES) == tuple(sorted(file.stem.upper() for file in config.RULE_FILES.glob("bp[0-9]*.py")))
