"""drift: what differs from the manifest, and rows that break a declared rule, with the SQL that mends them."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from fixtures.database import Database
from tollway.audit.commands import main
from tollway.audit.drift import differences, take

CHANGES = {
    "drop trigger zzz_no_truncate on absurd.run": "trigger zzz_no_truncate on absurd.run is missing",
    "alter table absurd.task disable trigger zzz_gate_project_update":
        "trigger zzz_gate_project_update on absurd.task: declared enable always, found disable",
    "create or replace trigger zzz_no_update before update on absurd.run for each statement when (false) execute function "
    "absurd._refuse_change()": "trigger zzz_no_update on absurd.run is another than declared",
    "create trigger extra after update on absurd.task for each row execute function absurd._refuse_change()":
        "trigger extra on absurd.task is not declared",
    "create or replace function absurd._wake_awaiters(p_ended uuid[]) returns void language sql as 'select'":
        "function absurd._wake_awaiters(p_ended uuid[]) is another than declared",
    "grant update on absurd.task to tollway_worker": "grant update on table absurd.task to tollway_worker is not declared",
    "grant execute on function absurd._wake(uuid[]) to public":
        "grant execute on routine absurd._wake(p_task_ids uuid[]) to public is not declared",
    "revoke select on absurd.task from tollway_reader": "grant select on table absurd.task to tollway_reader is missing",
}  # fmt: skip


@pytest.fixture
def written(db: Database, tmp_path: Path) -> Path:
    """The manifest of the untouched database."""
    file = tmp_path / "manifest.json"
    assert main(["manifest", "--dsn", db.dsn, "--output", str(file)]) == 0
    return file


def test_each_change_is_named_and_mended(db: Database, written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = take(db.conn)
    for change, told in CHANGES.items():
        db.conn.execute(change)
        assert [d.what for d in differences(before, take(db.conn))] == [told]

        assert main(["drift", "--dsn", db.dsn, "--manifest", str(written)]) == 1
        assert f"-- {told}\n" in capsys.readouterr().out
        assert take(db.conn) != before  # printed, not run

        assert main(["drift", "--dsn", db.dsn, "--manifest", str(written), "--apply"]) == 0
        assert capsys.readouterr().out.endswith("-- 0 differences\n")
        assert take(db.conn) == before
    assert db.verify() == []


def test_the_printed_repair_is_a_script(db: Database, written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = take(db.conn)
    for change in CHANGES:
        db.conn.execute(change)

    main(["drift", "--dsn", db.dsn, "--manifest", str(written)])

    db.conn.execute(capsys.readouterr().out)
    assert take(db.conn) == before


def test_a_function_that_nobody_declared_is_left_to_a_person(db: Database, written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db.conn.execute(
        "create function absurd.extra() returns void language sql as 'select'; revoke all on function absurd.extra() from public"
    )

    assert main(["drift", "--dsn", db.dsn, "--manifest", str(written), "--apply"]) == 1
    assert "function absurd.extra() is not declared\n--   nothing to run" in capsys.readouterr().out
    assert db.one("select to_regproc('absurd.extra') is not null")


RULE = """
[[invariant]]
name = "paid orders have a date"
query = "select id from app.orders where state = 'paid' and paid_at is null order by id"
repair = "update app.orders set paid_at = now() where state = 'paid' and paid_at is null"
"""


@pytest.fixture
def orders(empty: psycopg.Connection, tmp_path: Path) -> tuple[psycopg.Connection, list[str]]:
    """A table with rows, and the arguments of drift for it."""
    from audit.dynamic.conftest import dsn_of

    empty.execute("create schema app; create table app.orders (id int, state text, paid_at timestamptz); ")
    (tmp_path / "a.toml").write_text(RULE)
    return empty, ["drift", "--dsn", dsn_of(empty), "--config", str(tmp_path / "a.toml")]


def test_rows_that_break_a_rule_are_shown_and_mended_only_on_request(
    orders: tuple[psycopg.Connection, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    connection, arguments = orders
    assert main(arguments) == 0
    connection.execute("insert into app.orders select i, 'paid', null from generate_series(1, 7) i")

    assert main(arguments) == 1
    assert "invariant paid orders have a date: 7 rows: 1; 2; 3; 4; 5 ..." in capsys.readouterr().out
    assert connection.execute("select count(*) from app.orders where paid_at is null").fetchone() == (7,)
    assert main([*arguments, "--apply"]) == 0
    assert connection.execute("select count(*) from app.orders where paid_at is null").fetchone() == (0,)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("select id", "select absent", "invariant paid orders have a date: column"),
    ("select id from app.orders where", "delete from app.orders where id = 1 or", "invariant paid orders have a date: "),
    ("query =", "sql =", "an invariant has name and query"),
    ("update app.orders set paid_at", "update app.orders set absent", "the repair fails"),
])  # fmt: skip
def test_a_wrong_rule_is_a_configuration_error(
    orders: tuple[psycopg.Connection, list[str]], tmp_path: Path, old: str, new: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    connection, arguments = orders
    connection.execute("insert into app.orders values (1, 'paid', null)")
    (tmp_path / "a.toml").write_text(RULE.replace(old, new))

    assert main([*arguments, "--apply"]) == 2
    assert message in capsys.readouterr().err
    assert connection.execute("select count(*) from app.orders where paid_at is null").fetchone() == (1,)


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9}', '{"version": 1}'])
def test_a_file_that_is_no_manifest_is_refused(db: Database, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.json").write_text(text)

    assert main(["drift", "--dsn", db.dsn, "--manifest", str(tmp_path / "m.json")]) == 2
    assert "manifest" in capsys.readouterr().err


def test_an_edited_manifest_is_refused(db: Database, written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written.write_text(written.read_text("utf-8").replace("v_moved = 0", "v_moved = 1"), "utf-8")

    assert main(["drift", "--dsn", db.dsn, "--manifest", str(written)]) == 2
    assert "is not its text's" in capsys.readouterr().err
