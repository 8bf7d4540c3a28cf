"""Whatever it is given: what is wrong is named with file and line, the exit code says its kind, and there is never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

CLEAN, FINDINGS, CONFIGURATION, INCOMPLETE = 0, 1, 2, 3


@pytest.fixture
def put(tmp_path, monkeypatch):
    """put(name, content) writes a file of the working directory."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, content: str | bytes) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return call


HUGE = "create function f(i int) returns void language plpgsql as $$ begin\n{}end $$;\n".format(
    "".join(f"  if i = {n} then update t set status = 'done' where id = {n}; end if;\n" for n in range(5000))
)
TABLE = "create table t (id int, status text check (status in ('new', 'done')));\n"


def deep(levels: int) -> str:
    head = "create function f(i int) returns void language plpgsql as $$ begin\n"
    return head + "if true then\n" * levels + "null;" + "end if;\n" * levels + "end $$;\n"


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("a.sql", None, INCOMPLETE, "a.sql:1"),
        ("a.sql", b"PGDMP\0\1\2", INCOMPLETE, "a.sql:1"),
        ("a.sql", b"-- caf\xe9\nselect 1;\n", INCOMPLETE, "a.sql:1"),
        ("a.sql", Random(7).randbytes(4096).replace(b"\0", b"x"), None, ""),
        ("a.sql", "", CLEAN, "0 places not read"),
        ("a.sql", "-- nothing but a remark", CLEAN, "0 places not read"),
        ("a.sql", "\ncreate function f() returns int language plpython3u as $$ return 1 $$;", INCOMPLETE, "a.sql:2"),
        ("a.sql", "\n\ncreate function f() returns void language plpgsql as $$ begin if x then end $$;", INCOMPLETE, "a.sql:3"),
        ("a.sql", "create function f() returns void language plpgsql as $$ begin", INCOMPLETE, "a.sql:1"),
        ("a.sql", "\nupdate t set where;;;", INCOMPLETE, "a.sql:2"),
        ("a.sql", "create function", INCOMPLETE, "a.sql:1"),
        ("a.sql", "create function f() returns", INCOMPLETE, "a.sql:1"),
        ("a.sql", "\nselect $$ never closed", INCOMPLETE, "a.sql:2"),
        ("a.sql", "select '\\", INCOMPLETE, "a.sql:1"),
        ("a.sql", "select 1;\n/* never closed", INCOMPLETE, "a.sql:2"),
        ("a.sql", "select 1;\n\nselect (2;\nselect 3;", INCOMPLETE, "a.sql:3"),
        ("a.sql", 'select 1;\ndrop table "never;', INCOMPLETE, "a.sql:2"),
        ("a.sql", "select 1; -- /* no comment, it's a remark\n", CLEAN, "0 places not read"),
        ("a.sql", "/* a /* nested */ one */ select '(', $a$ ( $$ $a$; -- (", CLEAN, "0 places not read"),
        ("a.sql", "select 1;\n\ncreate functio oops();\nselect 2;", INCOMPLETE, "a.sql:3"),
        ("a.sql", "select 1;\ncreate table {schema}.t (id int default {n});", CLEAN, "0 places not read"),
        ("a.sql", "create trigger", INCOMPLETE, "a.sql:1"),
        ("a.sql", "alter table; drop function; grant; create index; do;", INCOMPLETE, "a.sql:1"),
        ("a.sql", ")))]]]} '' \"\" $$ $$ ;;; \x01\x02", INCOMPLETE, "a.sql:1"),
        ("a.sql", TABLE + HUGE, CLEAN, "5000 statements change a state"),
        ("a.sql", deep(400), CLEAN, "0 places not read"),
        ("a.sql", deep(9000), INCOMPLETE, "a.sql:1"),
        ("a.sql", "select " + "(" * 3000 + "1" + ")" * 3000 + ";", None, ""),
        ("a.py", "def (:\n", INCOMPLETE, "a.py:1"),
        ("a.py", b"\xff\xfe\x00broken", None, "a.py"),
        ("a.txt", "this is no SQL at all, only a letter to a friend", None, ""),
    ],
)
def test_no_file_makes_a_traceback(put, run, name, content, code, said):
    if content is not None:
        put(name, content)

    found, out, err = run("scan", name)
    assert found in (CLEAN, FINDINGS, INCOMPLETE) if code is None else found == code
    assert said in out + err


@pytest.mark.parametrize(
    ("content", "said"), [("def (:\n", "app/a.py:1"), ("x = 1\n\x00", "app/a.py:1"), (b"# -*- coding: nope -*-\n", "app/a.py:1")]
)
def test_python_that_cannot_be_read_is_named(put, run, content, said):
    put("db/a.sql", TABLE)
    put("app/a.py", content)

    code, out, _ = run("scan", "db", "--python", "app")
    assert (code, said in out) == (INCOMPLETE, True)


def test_python_that_is_not_there_is_named(put, run):
    put("db/a.sql", TABLE)

    code, out, _ = run("scan", "db", "--python", "none.py")
    assert (code, "none.py:1" in out) == (INCOMPLETE, True)


def test_an_empty_folder_says_that_there_is_nothing(put, run, tmp_path):
    (tmp_path / "db").mkdir()

    code, out, _ = run("scan", "db")
    assert (code, "nothing there" in out) == (INCOMPLETE, True)


@pytest.mark.parametrize("command", ["scan", "graph", "baseline"])
def test_nothing_to_read_is_a_wrong_configuration(put, run, command):
    assert run(command) == (
        CONFIGURATION,
        "",
        "tollway audit: nothing to read\nhint: name SQL files or folders, or set paths in the configuration\n",
    )


@pytest.mark.parametrize(
    ("toml", "said", "hint"),
    [
        ("\npath = ['db']", "c.toml:2: unknown key 'path'", "did you mean 'paths'?"),
        ("\npaths = = 'db'", "c.toml: not TOML", "line 2"),
        ("[[require]]\ninsrt = 'log'", "c.toml:2: unknown key 'insrt' in require", "did you mean 'insert'?"),
        ("[[assume]]\nroutine = 'f'\nreson = 'x'", "c.toml:3: unknown key 'reson' in assume", "did you mean 'reason'?"),
        ("paths = 'db'", "c.toml:1: paths must be a list of strings", 'paths = ["..."]'),
        ("state = ['status']", "c.toml:1: state 'status' is not table.column", "public.orders.status"),
        ("moves = 7", "c.toml:1: moves must be a table of lists", "new -> paid"),
        ("suppress = 7", "c.toml:1: suppress must be a list of tables", "[[suppress]]"),
        ("ignore = ['BP0O1']", "c.toml:1: ignore names no rule 'BP0O1'", "did you mean 'BP001'?"),
    ],
)
def test_a_wrong_configuration_names_file_line_and_what_was_meant(put, run, toml, said, hint):
    put("db/a.sql", TABLE)
    put("c.toml", toml)

    code, out, err = run("scan", "db", "--config", "c.toml")
    assert (code, out) == (CONFIGURATION, "")
    assert err.startswith(f"tollway audit: {said}")
    assert hint in err


COMMANDS = [("scan",), ("graph",), ("explain", "f"), ("baseline",), ("diff", "HEAD")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_every_command_refuses_a_wrong_configuration(put, run, command):
    put("db/a.sql", TABLE)
    put("c.toml", "stat = []")

    code, out, err = run(*command, "db", "--config", "c.toml")
    assert (code, out) == (CONFIGURATION, "")
    assert err == "tollway audit: c.toml:1: unknown key 'stat'\nhint: did you mean 'state'?\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [(("scan",), INCOMPLETE), (("graph",), INCOMPLETE), (("explain", "f"), CLEAN), (("baseline",), CLEAN), (("init",), CLEAN)],
    ids=lambda c: c[0] if isinstance(c, tuple) else "",
)
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (None, "nothing there"),
        (b"PGDMP\0", "binary"),
        (b"-- caf\xe9", "not UTF-8"),
        (b"create function g() returns int language plpython3u as $$ x $$;", "written in plpython3u"),
        (b"create function g() returns void language plpgsql as $$ begin if x then end $$;", "not understood"),
    ],
    ids=["missing", "binary", "encoding", "language", "syntax"],
)
def test_every_command_names_what_it_could_not_read_and_reads_the_rest(put, run, command, code, bad, said):
    put("a.sql", TABLE + "create function f(i int) returns void language sql as $$ update t set status = 'done' where id = i $$;")
    if bad is not None:
        put("bad.sql", bad)

    found, out, err = run(*command, "a.sql", "bad.sql")
    assert found == code
    assert "bad.sql:1" in out + err
    assert said in out + err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00\x01"])
def test_a_configuration_that_is_no_text(put, run, content):
    put("c.toml", content)

    code, _, err = run("scan", "x", "--config", "c.toml")
    assert (code, err.startswith("tollway audit: c.toml: not TOML")) == (CONFIGURATION, True)


@pytest.mark.parametrize(
    "wrong",
    [["scna"], ["scan", "--fromat", "json"], ["scan", "x", "--format", "xml"], ["graph", "x", "--format", "png"], ["explain"], ["diff"]],
)
def test_a_wrong_command_line_exits_with_two(put, run, wrong):
    code, out, err = run(*wrong)

    assert (code, out) == (CONFIGURATION, "")
    assert err.startswith("tollway audit: ")


def test_a_mistyped_command_says_which_was_meant(put, run):
    assert "'scan'" in run("scna")[2]


def test_a_folder_that_may_not_be_read_and_a_link_in_a_circle(put, run, tmp_path):
    put("db/a.sql", TABLE)
    (tmp_path / "db" / "loop").symlink_to(tmp_path / "db")
    (tmp_path / "db" / "gone.sql").symlink_to(tmp_path / "nowhere.sql")

    code, out, _ = run("scan", "db")
    assert (code, "db/gone.sql:1" in out) == (INCOMPLETE, True)


def test_a_file_or_a_folder_that_is_closed_to_the_user_is_named(put, run, monkeypatch):
    """By root, whom nothing is closed to, the test is run as well."""
    put("db/a.sql", TABLE)
    put("db/closed.sql", TABLE)
    put("db/private/b.sql", TABLE)
    whole, listed = Path.read_bytes, os.scandir

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", lambda file: denied(file) if file.name == "closed.sql" else whole(file))
    monkeypatch.setattr(os, "scandir", lambda path=".": denied(path) if str(path).endswith("private") else listed(path))

    code, out, _ = run("scan", "db", "--no-cache")
    assert code == INCOMPLETE
    assert "Permission denied\n  --> db/closed.sql:1" in out
    assert "Permission denied\n  --> db/private:1" in out


def test_a_reader_that_goes_away_is_no_error(put):
    """`tollway audit scan | head -1`, after head has gone."""
    put("db/a.sql", TABLE)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "tollway.audit", "scan", "db", "--no-cache"]
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    finally:
        os.close(writer)

    assert (done.stderr, done.returncode) == ("", 141)


def test_a_mistake_of_our_own_is_a_sentence_and_never_a_clean_result(put, run, monkeypatch):
    def broken(*_):
        raise KeyError("oops")

    put("a.sql", TABLE)
    monkeypatch.setattr("tollway.audit.cli.app.analyse", broken)

    code, out, err = run("scan", "a.sql")
    assert (code, out) == (INCOMPLETE, "")
    assert err.startswith("tollway audit: internal error: KeyError: 'oops' (test_bad_input.py:")
    assert "TOLLWAY_TRACEBACK=1" in err

    monkeypatch.setenv("TOLLWAY_TRACEBACK", "1")
    with pytest.raises(KeyError):
        run("scan", "a.sql")
