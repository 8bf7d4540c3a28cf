"""mutate: each broken trigger and effect turns a verdict or fails the check, and what nobody notices is named."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest

from fixtures.database import Database
from tollway.audit.analysis import Analysis
from tollway.audit.commands import main
from tollway.audit.config import Config, Requirement, read_config
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


IN_EVERY_RUN = ["take out effect", "empty function", "narrow trigger zzz_gate_project", "drop trigger zzz_no_truncate on absurd.run"]


def test_mutants_of_our_schema_turn_a_verdict_and_fail_the_exercise(server: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]) -> None:
    """Every required effect, every trigger function, and some triggers; `make audit-mutants` does all."""
    only = [word for text in IN_EVERY_RUN for word in ("--only", text)]
    code = main(["mutate", "--dsn", server.dsn, *OURS, "--both", *only])

    out = capsys.readouterr().out
    assert code == 0, out
    by_kind = {text: [line.split(":")[0] for line in out.splitlines() if f": {text}" in line] for text in IN_EVERY_RUN}
    assert all(by_kind.values()), out
    assert {how for found in by_kind.values() for how in found} == {"verdict and check", "check"}
    # the log rows of an emitted event and of removed history are no state's; every other effect is one that a verdict rests on
    assert by_kind["take out effect"].count("check") <= 2, out
    assert set(by_kind["narrow trigger zzz_gate_project"]) == {"verdict and check"}


OWED = {"log", "workflow_run", "ended run", "wake-ups", "children"}


def test_the_mutants_of_our_schema_leave_nothing_out(db: Database) -> None:
    """Each trigger three ways, each trigger function, each effect that the configuration requires."""
    analysis = judge_live(read_config(SQL / "tollway-audit.toml"), db.conn)
    mutants = [(m.kind, m.subject) for m in all_mutants(db.conn, analysis)]
    made = "select format('trigger %s on %s', tgname, tgrelid::regclass) from pg_trigger where not tgisinternal"
    triggers = [name for (name,) in db.conn.execute(made).fetchall()]

    for kind in ("drop", "disable", "narrow"):
        assert sorted(subject for k, subject in mutants if k == kind) == sorted(triggers)
    functions = {
        name for (name,) in db.conn.execute("select distinct tgfoid::regproc::text from pg_trigger where not tgisinternal").fetchall()
    }
    assert {s.removeprefix("function ") for k, s in mutants if k == "empty"} == functions
    taken = " ".join(s for k, s in mutants if k == "take out")
    assert all(f"effect {effect} in" in taken for effect in OWED)
    assert len(mutants) > 100
