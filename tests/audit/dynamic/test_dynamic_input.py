"""The commands with a server, given what is not there or not what it should be: one sentence, and the exit code that it is worth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollway.audit.commands import main
from tollway.embedded import EmbeddedPostgres

SHOP = """
create table app.orders (id int primary key, state text not null);
create table app.log (id int);
create function app.pay(p int) returns void language plpgsql as $$ begin
  update app.orders set state = 'paid' where id = p;
  insert into app.log values (p);
end $$;
create function app.ship(p int) returns void language sql as $$
  update app.orders set state = 'sent' where id = p;
  insert into app.log values (p)
$$;
"""
TOML = 'state = ["app.orders.state"]\n[[require]]\neffect = "log"\ninsert = "app.log"\n'
CONFIGURATION = 2


@pytest.fixture
def tried(server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """tried(*arguments) -> exit code, output, errors; in a folder with a shop, a driver and files of every wrong kind."""
    monkeypatch.chdir(tmp_path)
    Path("before.sql").write_text("create schema app;")
    Path("shop.sql").write_text(SHOP)
    Path("a.toml").write_text(TOML)
    Path("drive.sql").write_text("select app.pay(1);")
    Path("latin.sql").write_bytes(b"-- caf\xe9\nselect 1;")
    Path("binary.sql").write_bytes(b"PGDMP\0")

    def call(command: str, *arguments: str) -> tuple[int, str, str]:
        code = main([command, "--dsn", server.dsn, *arguments])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


VERIFY = ("verify", "--scratch", "--config", "a.toml", "--before", "before.sql")
MUTATE = ("mutate", "--config", "a.toml", "--before", "before.sql")


@pytest.mark.parametrize("wrong", ["none.sql", "binary.sql", "latin.sql"])
@pytest.mark.parametrize("command", [(*VERIFY, "--driver", "drive.sql"), MUTATE], ids=["verify", "mutate"])
def test_a_file_that_cannot_be_installed_is_named(tried, command: tuple[str, ...], wrong: str) -> None:
    for arguments in (("shop.sql", wrong), ("shop.sql", "--before", wrong)):
        code, out, err = tried(*command, *arguments)

        assert (code, out) == (CONFIGURATION, "")
        assert err.startswith(f"tollway audit: {wrong}: ")


@pytest.mark.parametrize("driver", ["none.sql", "latin.sql", "."])
def test_a_driver_that_cannot_be_read_is_named(tried, driver: str) -> None:
    code, out, err = tried(*VERIFY, "--driver", driver, "shop.sql")

    assert (code, out) == (CONFIGURATION, "")
    assert err.startswith(f"tollway audit: {driver}: ")
    assert "hint: give --driver" in err


@pytest.mark.parametrize("check", ["no-such-program {dsn}", "'never closed"])
def test_a_check_that_cannot_be_run_is_named(tried, check: str) -> None:
    code, out, err = tried(*MUTATE, "shop.sql", "--check", check)

    assert (code, out) == (CONFIGURATION, "")
    assert err.startswith("tollway audit: --check ")


@pytest.mark.parametrize(("more", "said"), [((), "there is nothing to break"), (("--only", "x"), "there is no mutant called x")])
def test_a_schema_with_nothing_to_break_says_so(tried, more: tuple[str, ...], said: str) -> None:
    Path("shop.sql").write_text("create table app.orders (id int, state text);")

    code, out, err = tried(*MUTATE, "shop.sql", *more)
    assert (code, out) == (CONFIGURATION, "")
    assert err.startswith(f"tollway audit: {said}\nhint: ")


def test_an_effect_beside_the_change_is_taken_out_too(tried) -> None:
    """Where no trigger does it, the statement in the routine itself is what a verdict rests on."""
    code, out, _ = tried(*MUTATE, "shop.sql")

    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("verdict")] == [
        "verdict: take out effect log in app.pay line 3: BP001 (log: missing)",
        "verdict: take out effect log in app.ship line 3: BP001 (log: missing)",
    ]


def test_with_both_a_verdict_that_turns_is_not_enough(tried) -> None:
    code, out, _ = tried(*MUTATE, "shop.sql", "--only", "app.pay", "--both", "--check", "true")

    assert code == 1
    assert "SURVIVED: take out effect log in app.pay line 3: the check passes, though a verdict turned: BP001" in out


@pytest.mark.parametrize("output", ["no/folder/m.json", ".", "/dev/full"])
def test_a_manifest_that_cannot_be_written(tried, output: str) -> None:
    code, out, err = tried("manifest", "--output", output)

    assert (code, out) == (CONFIGURATION, "")
    assert err.startswith(f"tollway audit: {output}: ")


def test_a_manifest_says_where_it_is(tried) -> None:
    assert tried("manifest", "--output", "m.json") == (0, "wrote m.json\n", "")


@pytest.mark.parametrize("command", [("scan",), ("manifest",), ("drift", "--config", "i.toml"), ("mutate", "a.sql")], ids=lambda c: c[0])
def test_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command) -> None:
    monkeypatch.chdir(tmp_path)
    Path("i.toml").write_text("[[invariant]]\nname = 'x'\nquery = 'select 1'\n")
    Path("a.sql").write_text("select 1;")

    assert main([*command, "--dsn", f"host={tmp_path} dbname=x"]) == CONFIGURATION
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith("tollway audit: the database does not answer: connection")
