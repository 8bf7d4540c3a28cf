"""init: a first configuration that works at once, and the effects that a bare scan infers."""

from __future__ import annotations

import tomllib


def test_init_then_scan_names_the_writer_that_forgets_the_log(shop, run):
    assert run("init", "db")[0] == 0
    code, out, _ = run("scan")

    assert code == 1
    assert [line for line in out.splitlines() if line.startswith("BP")] == [
        "BP001: public.cancel/1: update public.orders.status to cancelled without order_log: missing"
    ]


def test_the_first_configuration_says_its_evidence(shop, run):
    run("init", "db")
    text = (shop / "tollway-audit.toml").read_text()

    assert "# 2 of 3 changes insert into public.order_log" in text
    assert tomllib.loads(text) == {
        "paths": ["db"],
        "state": ["public.orders.status"],
        "require": [{"effect": "order_log", "insert": "public.order_log", "for": ["public.orders"]}],
    }


def test_a_weak_candidate_is_written_as_a_comment(shop, run):
    sql = (shop / "db" / "shop.sql").read_text().replace("insert into public.order_log (order_id, status) values (p_id, 'paid');", "")
    (shop / "db" / "shop.sql").write_text(sql)
    run("init", "db")

    text = (shop / "tollway-audit.toml").read_text()
    assert '# insert = "public.order_log"' in text
    assert "require" not in tomllib.loads(text)


def test_a_file_that_exists_is_not_replaced(shop, run):
    (shop / "tollway-audit.toml").write_text("# mine\n")

    code, _, err = run("init", "db")
    assert (code, "--force" in err) == (2, True)
    assert (shop / "tollway-audit.toml").read_text() == "# mine\n"
    assert run("init", "db", "--force")[0] == 0


def test_a_bare_scan_infers_the_effect_and_says_so(shop, run):
    code, out, _ = run("scan", "db")

    assert code == 1
    assert "without order_log: missing  [inferred]" in out
    assert "inferred from what most changes do" in out


def test_a_trigger_that_serves_no_effect_may_leave_states_out(shop, run):
    more = """create function public.mail() returns trigger language plpgsql as $$ begin perform pg_notify('m', ''); return new; end $$;
      create trigger mail after update on public.orders for each row when (new.status = 'paid') execute function public.mail();"""
    (shop / "db" / "z.sql").write_text(more)

    assert "BP007" not in run("scan", "db")[1]
    (shop / "db" / "z.sql").write_text(more.replace("perform pg_notify('m', '')", "insert into public.order_log values (new.id)"))
    assert "BP007" in run("scan", "db")[1]
