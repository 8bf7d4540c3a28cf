"""mutate: each broken trigger and effect turns a verdict or fails the check, and what nobody notices is named."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest

from tollway.audit.analysis import Analysis
from tollway.audit.commands import main
from tollway.audit.config import Config, Requirement
from tollway.audit.live import judge_live
from tollway.audit.mutants import all_mutants
from tollway.embedded import EmbeddedPostgres

HERE = Path(__file__).resolve().parent
SQL = HERE.parents[2] / "src" / "tollway" / "sql"
CHECK = f"{sys.executable} {HERE / 'exercise.py'} {{dsn}}"
OURS = ["--before", str(HERE / "before.sql"), "--config", str(SQL / "tollway-audit.toml"), str(SQL), "--check", CHECK]

SHOP = """
create schema app;
create table app.orders (id int primary key, state text not null default 'new', note text);
create table app.log (id int, state text);
create function app.pay(p int) returns void language plpgsql as $$ begin update app.orders set state = 'paid' where id = p; end $$;
create function app.keep() returns trigger language plpgsql as $$
begin
  insert into app.log values (new.id, new.state);
  return null;
end $$;
create trigger keep after insert or update on app.orders for each row execute function app.keep();
create function app.refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
create trigger refuse before truncate on app.orders for each statement execute function app.refuse();
"""
TOML = 'state = ["app.orders.state"]\n[[require]]\neffect = "log"\ninsert = "app.log"\n'
STRICT = "import sys, psycopg\nc = psycopg.connect(sys.argv[1], autocommit=True)\ntry:\n  c.execute('truncate app.orders')\nexcept psycopg.Error:\n  sys.exit(0)\nsys.exit('truncate went through')\n"  # noqa: E501


@pytest.fixture
def shop(tmp_path: Path) -> list[str]:
    """The arguments for a small schema."""
    (tmp_path / "s.sql").write_text(SHOP)
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "check.py").write_text(STRICT)
    return [str(tmp_path / "s.sql"), "--config", str(tmp_path / "a.toml")]


def test_verdicts_catch_what_the_log_owes_and_a_guard_without_a_check_survives(
    server: EmbeddedPostgres, shop: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["mutate", "--dsn", server.dsn, *shop])

    out = capsys.readouterr().out
    assert code == 1, out
    assert [line for line in out.splitlines() if line.startswith("SURVIVED")] == [
        "SURVIVED: drop trigger refuse on app.orders",
        "SURVIVED: empty function app.refuse",
        "SURVIVED: narrow trigger refuse on app.orders",
    ]
    caught = [line.split(": ")[1] for line in out.splitlines() if line.startswith("verdict")]
    assert caught == [
        "disable trigger keep on app.orders", "disable trigger refuse on app.orders",
        "drop trigger keep on app.orders", "empty function app.keep",
        "narrow trigger keep on app.orders", "take out effect log in app.keep line 3", "update of note trigger keep on app.orders",
    ]  # fmt: skip


def test_the_check_catches_the_rest(server: EmbeddedPostgres, shop: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["mutate", "--dsn", server.dsn, *shop, "--only", "refuse", "--check", f"{sys.executable} {tmp_path / 'check.py'} {{dsn}}"])

    out = capsys.readouterr().out
    assert (code, out.count("check: ")) == (0, 3), out
    assert "baseline: the check passes" in out
    assert "truncate went through" in out


def test_a_check_that_fails_before_anything_is_broken_proves_nothing(
    server: EmbeddedPostgres, shop: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["mutate", "--dsn", server.dsn, *shop, "--check", f"{sys.executable} -c 'raise SystemExit(1)'"])

    assert code == 2
    assert "the check fails on the unbroken schema" in capsys.readouterr().err


def test_a_schema_with_findings_is_no_baseline(
    server: EmbeddedPostgres, shop: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.sql").write_text(SHOP + "alter table app.orders disable trigger keep;")

    assert main(["mutate", "--dsn", server.dsn, *shop]) == 2
    assert "the unbroken schema has findings: BP001" in capsys.readouterr().err


def test_each_mutant_is_seen_in_the_catalog_only_when_it_is_in_place(empty: psycopg.Connection) -> None:
    empty.execute(SHOP)
    config = Config(state=("app.orders.state",), require=(Requirement("log", "insert", "app.log"),))
    analysis: Analysis = judge_live(config, empty)

    mutants = all_mutants(empty, analysis)
    for mutant in mutants:
        assert empty.execute(mutant.probe).fetchone() == (False,), mutant
        with empty.transaction(force_rollback=True):
            empty.execute(mutant.sql)
            row = empty.execute(mutant.probe).fetchone()
            assert row == (True,), mutant
    assert len(mutants) == 10


@pytest.mark.parametrize("only", ["empty function absurd._gate", "take out effect log", "drop trigger zzz_no_truncate on absurd.run"])
def test_mutants_of_our_schema_are_caught(server: EmbeddedPostgres, only: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Three of each kind; `tollway audit mutate` without --only tries all."""
    code = main(["mutate", "--dsn", server.dsn, *OURS, "--only", only])

    out = capsys.readouterr().out
    assert code == 0, out
    assert "SURVIVED" not in out
