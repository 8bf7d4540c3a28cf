"""Slips that would make everything look clean: what the configuration names and the project lacks, and files of the wrong kind."""

from __future__ import annotations

import json

import pytest

from tollway.audit.prove.tree import Reader

CLEAN, CONFIGURATION, INCOMPLETE = 0, 2, 3
REQUIRE = 'state = ["public.orders.status"]\n[[require]]\neffect = "log"\ninsert = "public.order_log"\n'


@pytest.mark.parametrize(
    ("toml", "said", "hint"),
    [
        (f"{REQUIRE}on = ['upsert']", "c.toml:5: 'upsert' in on is no verb of a write", "did you mean"),
        ("[moves]\nstatus = ['new -> paid']", "c.toml:2: 'status' in moves is not table.column", "public.orders.status"),
        ("[moves]\n'public.orders.status' = ['new paid']", "c.toml:2: 'new paid' in moves is no move", "new -> paid"),
        ("[moves]\n'public.orders.status' = [7]", "c.toml:2: 7 in moves is no move", "new -> paid"),
    ],
)
def test_a_value_that_can_mean_nothing_is_refused(shop, run, toml, said, hint):
    (shop / "c.toml").write_text(toml)

    code, out, err = run("scan", "db", "--config", "c.toml")
    assert (code, out) == (CONFIGURATION, "")
    assert err.startswith(f"tollway audit: {said}")
    assert hint in err


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('state = ["public.ordres.status"]', "no table is called public.ordres, of the state public.ordres.status"),
        ('state = ["shop_*.status"]', "no table is called shop_*"),
        ('state = ["public.orders.stauts"]', "public.orders has no column stauts"),
        (f'{REQUIRE}for = ["public.ordres"]', "log is asked for public.ordres, which has no state"),
        ("[moves]\n'public.orders.stauts' = ['new -> paid']", "moves are declared for public.orders.stauts, which is no state"),
    ],
)
def test_what_the_configuration_names_must_be_there(shop, run, toml, told):
    """A slip of the pen in the name of a state would give zero changes, and zero findings."""
    (shop / "c.toml").write_text(toml)

    code, out, _ = run("scan", "db", "--config", "c.toml")
    assert code == INCOMPLETE
    assert told in out


@pytest.mark.parametrize("toml", [REQUIRE, f'{REQUIRE}for = ["public.*"]', 'state = ["orders.status"]', 'state = ["public.*.status"]'])
def test_what_is_there_is_not_reported(shop, run, toml):
    (shop / "c.toml").write_bytes(b"\xef\xbb\xbf" + toml.encode())  # as some editors begin a file

    assert run("scan", "db", "--config", "c.toml")[0] != INCOMPLETE


def test_a_state_of_which_only_statements_are_given_is_there(shop, run):
    (shop / "db" / "shop.sql").write_text("create function f() returns void language sql as $$ update crm.deal set stage = 'won' $$;")
    (shop / "c.toml").write_text('state = ["crm.deal.stage"]')

    assert run("scan", "db", "--config", "c.toml")[0] != INCOMPLETE


def test_an_exclude_that_leaves_nothing_is_no_clean_result(shop, run):
    (shop / "c.toml").write_text('exclude = ["*.sql"]')

    code, out, _ = run("scan", "db", "--config", "c.toml")
    assert code == INCOMPLETE
    assert "nothing left: exclude takes out all of its 1 files" in out


@pytest.mark.parametrize("given", ["empty", "x.sql"])
def test_python_that_has_no_python_is_named(shop, run, given):
    (shop / "empty").mkdir()
    (shop / "x.sql").write_text("select 1;")

    code, out, _ = run("scan", "db", "--python", given)
    assert code == INCOMPLETE
    assert f"{given}:1" in out


@pytest.mark.parametrize("text", ["[" * 100_000, '{"version": "1", "findings": []}', '{"version": 0, "findings": []}'])
def test_a_baseline_of_another_version_or_of_none(shop, run, text):
    (shop / "k.json").write_text(text)

    code, out, err = run("scan", "db", "--baseline", "k.json")
    assert (code, out) == (CONFIGURATION, "")
    assert "hint: write it again: tollway audit baseline" in err


def test_no_command_at_all_is_answered_with_the_usage(run):
    code, out, err = run()

    assert (code, err) == (CONFIGURATION, "")
    assert "Usage: tollway audit" in out


def steps(monkeypatch: pytest.MonkeyPatch, shop, run, statements: int) -> int:
    """How many statements are judged in a scan of a function with so many."""
    judged = []
    whole = Reader.node
    monkeypatch.setattr(Reader, "node", lambda reader, node: judged.append(1) or whole(reader, node))
    line = (
        "  if p = 1 then insert into public.order_log values (p, 'x'); end if;\n  update public.orders set status = 'paid' where id = p;\n"
    )
    body = f"create function public.huge(p bigint) returns void language plpgsql as $$ begin\n{line * statements}end $$;"
    (shop / "db" / "huge.sql").write_text(body)
    document = json.loads(run("scan", "db", "--format", "json", "--no-cache")[1])
    assert sum(w["routine"] == "public.huge" and w["effect"] == "state" for w in document["writes"]) == statements
    monkeypatch.undo()
    monkeypatch.chdir(shop)
    return len(judged)


def test_the_work_grows_with_a_function_and_not_with_its_square(monkeypatch, shop, run):
    small, large = (steps(monkeypatch, shop, run, n) for n in (200, 800))

    assert large < 5 * small


def test_a_function_of_20000_lines_is_read(shop, run):
    line = "  update public.orders set status = 'paid' where id = p;\n"
    (shop / "db" / "huge.sql").write_text(
        f"create function public.huge(p bigint) returns void language plpgsql as $$ begin\n{line * 20_000}end $$;"
    )

    code, out, _ = run("scan", "db", "--no-cache")
    assert code == 0  # with so many that write no log, the log is no habit: nothing is inferred
    assert "20003 statements change a state" in out
