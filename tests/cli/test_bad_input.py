"""Whatever is typed wrongly: one sentence, what to do, and the right exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tollway.cli import database

NOBODY = "00000000-0000-7000-8000-000000000000"
# each of them: what is typed, and what the answer says
WITHOUT_A_DATABASE = [
    (("tsk",), "Did you mean 'task'"),
    (("task", "shwo", NOBODY), "Did you mean 'show'"),
    (("task", "list", "--stat", "failed"), "--stat"),
    (("task", "list", "--state", "done"), "'done' is not one of"),
    (("task", "list", "--limit", "0"), "--limit"),
    (("task", "list", "--limit", "many"), "--limit"),
    (("task", "retry", NOBODY, "--max-attempts", "0"), "--max-attempts"),
    (("task", "retry", NOBODY, "--max-attempts", "99999999"), "--max-attempts"),
    (("task", "show"), "TASK"),
    (("task", "cancel"), "TASK"),
    (("log", "tail", "--lines", "-1"), "--lines"),
    (("task", "wait"), "TASK"),
    (("task", "wait", NOBODY, "--timeout", "-1"), "not a number of seconds"),
    (("queue", "set"), "QUEUE"),
    (("queue", "set", "default"), "nothing is to be set"),
    (("queue", "set", "default", "--cleanup-limit", "0"), "--cleanup-limit"),
    (("queue", "set", "default", "--max-payload-bytes", "1023"), "--max-payload-bytes"),
    (("queue", "set", "default", "--max-payload-bytes", "268435457"), "--max-payload-bytes"),
    (("queue", "cleanup", "--older-than", "-1"), "--older-than"),
    (("queue", "cleanup", "--older-than", "2147483648"), "--older-than"),
    (("start",), "WORKFLOW"),
    (("start", "x", "--priority", "40000"), "--priority"),
    (("start", "x", "--max-attempts", "-3"), "--max-attempts"),
    (("start", "x", "--delay", "-1"), "--delay"),
    (("start", "x", "--delay", "soon"), "--delay"),
    (("start", "x", "--delay", "nan"), "not a number of seconds"),
    (("start", "x", "--wait", "--timeout", "inf"), "not a number of seconds"),
    (("start", "x", "--timeout", "3"), "add --wait or --follow"),
    (("start", "", "{}"), "a workflow name is empty"),
    (("start", "x", "{bad"), "is not JSON"),
    (("start", "x", "1", "2"), "--app"),
    (("start", "x", "1", "--key", ""), "--key is empty"),
    (("start", "doubel", "1", "--app", "doubling:app"), "did you mean 'double'?"),
    (("start", "add", "1", "--app", "doubling:app"), "the arguments do not fit workflow 'add'"),
    (("event", "emit", "", "1"), "event name is empty"),
    (("event", "emit", "x", "yes please"), "is not JSON"),
    (("worker",), "MODULE"),
    (("worker", "no_such_module"), "no module is named 'no_such_module'"),
    (("worker", "doubling.py"), "without .py"),
    (("worker", "./doubling:app"), "does not name a module"),
    (("worker", "doubling:application"), "module 'doubling' has no 'application'"),
    (("worker", "doubling:ap"), "did you mean 'app'?"),
    (("worker", "doubling:double"), "is a Workflow, not a Tollway application"),
    (("worker", "broken:app"), "module 'broken' does not import: ZeroDivisionError"),
    (("worker", "needy:app"), "needs 'not_installed_anywhere'"),
    (("worker", "garbled:app"), "module 'garbled' does not import: SyntaxError"),
    (("worker", "two"), "has 2 Tollway applications"),
    (("worker", "doubling:app", "--concurrency", "0"), "--concurrency"),
    (("worker", "doubling:app", "--lease", "0"), "--lease"),
    (("worker", "doubling:app", "--lease", "1e3"), "--lease"),
    (("worker", "doubling:app", "--grace", "-1"), "--grace"),
    (("worker", "doubling:app", "--grace", "nan"), "not a number of seconds"),
    (("dev", "no_such_module:app"), "no module is named"),
    (("dev", "doubling:app", "--concurrency", "0"), "--concurrency"),
]
WITH_ONE = [
    (("start", "double", "--queue", "defualt"), "did you mean 'default'?"),
    (("worker", "doubling:app", "--queue", "nowhere"), "no queue is named 'nowhere'"),
    (("task", "list", "--queue", "nowhere"), "no queue is named 'nowhere'"),
    (("task", "list", "--before", "zzz"), "'zzz' is not a task id"),
    (("task", "show", "not-an-id"), "'not-an-id' is not a task id"),
    (("task", "show", "0198"), "too short"),
    (("task", "show", NOBODY), "no task has the id"),
    (("task", "show", NOBODY + "00"), "is not a task id"),
    (("task", "cancel", NOBODY), "no task has the id"),
    (("task", "retry", NOBODY), "no task has the id"),
    (("explain", NOBODY), "no task has the id"),
    (("log", "tail", "--task", NOBODY), "no task has the id"),
    (("log", "tail", "--queue", "nowhere"), "no queue is named"),
    (("log", "tail", "--event", "run.fialed"), "did you mean 'run.failed'?"),
    (("event", "emit", "x", "--queue", "nowhere"), "no queue is named"),
    (("queue", "stats", "nowhere"), "no queue is named"),
    (("queue", "show", "nowhere"), "no queue is named"),
    (("queue", "set", "nowhere", "--cleanup-limit", "5"), "no queue is named"),
    (("queue", "set", "default", "--cleanup-ttl", "a while"), "a while"),
    (("queue", "set", "default", "--cleanup-ttl", "-1 day"), "must be non-negative"),
    (("queue", "set", "default", "--cleanup-ttl", ""), "interval"),
    (("queue", "cleanup", "nowhere"), "no queue is named"),
    (("task", "wait", NOBODY), "no task has the id"),
    (("queue", "drop", "nowhere", "--yes"), "no queue is named"),
    (("queue", "drop", "default"), "repeat with --yes"),
    (("start", "x", '"' + "y" * 1_100_000 + '"'), "bytes"),
]


@pytest.fixture(autouse=True)
def modules(application: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOLLWAY_DATABASE_URL", raising=False)
    monkeypatch.setenv("TOLLWAY_HOME", str(application / "nothing"))  # no embedded server was ever used here
    monkeypatch.setattr(database, "CONNECT_ATTEMPTS", 1)
    (application / "broken.py").write_text("1 / 0")
    (application / "needy.py").write_text("import not_installed_anywhere")
    (application / "garbled.py").write_text("def :")
    (application / "two.py").write_text("from tollway.workflow import Tollway\na, b = Tollway(), Tollway()")


def _is_one_sentence(err: str, says: str) -> bool:
    lines = err.splitlines()
    return lines[0].startswith("tollway: ") and all(line.startswith("hint: ") for line in lines[1:]) and says in err


@pytest.mark.parametrize(("typed", "says"), WITHOUT_A_DATABASE, ids=lambda value: "_".join(value)[:40] if isinstance(value, tuple) else "")
def test_a_mistake_is_one_sentence_and_code_2(bare: Any, typed: tuple[str, ...], says: str) -> None:
    ended = bare(*typed, "--dsn", "host=/nowhere")

    assert (ended.code, ended.out) == (2, "")
    assert _is_one_sentence(ended.err, says), ended.err


@pytest.mark.parametrize(("typed", "says"), WITH_ONE, ids=lambda value: "_".join(value)[:40] if isinstance(value, tuple) else "")
def test_a_name_that_does_not_exist_is_one_sentence_and_code_2(tollway: Any, typed: tuple[str, ...], says: str) -> None:
    ended = tollway(*typed)

    assert (ended.code, ended.out) == (2, "")
    assert _is_one_sentence(ended.err, says), ended.err


EVERY_READER = [
    ("verify",),
    ("repair",),
    ("task", "list"),
    ("task", "show", NOBODY),
    ("task", "cancel", NOBODY),
    ("task", "retry", NOBODY),
    ("explain", NOBODY),
    ("log", "tail"),
    ("queue", "list"),
    ("queue", "create", "q"),
    ("queue", "stats"),
    ("queue", "drop", "q", "--yes"),
    ("queue", "show", "q"),
    ("queue", "set", "q", "--cleanup-limit", "5"),
    ("queue", "cleanup"),
    ("task", "wait", NOBODY),
    ("event", "emit", "x"),
    ("start", "double", "1"),
    ("worker", "doubling:app"),
    ("schema", "show"),
    ("schema", "verify"),
]


@pytest.mark.parametrize("typed", EVERY_READER, ids=" ".join)
def test_a_database_that_does_not_answer_is_code_3(bare: Any, typed: tuple[str, ...]) -> None:
    ended = bare(*typed, "--dsn", "host=/nowhere")

    assert (ended.code, ended.out) == (3, "")
    assert _is_one_sentence(ended.err, "cannot be reached"), ended.err


@pytest.mark.parametrize("typed", EVERY_READER, ids=" ".join)
def test_no_database_and_no_connection_string_are_code_2(bare: Any, typed: tuple[str, ...]) -> None:
    if typed[0] != "worker":  # whose application may bring a database, or the embedded one
        assert _is_one_sentence(bare(*typed).err, "no database was given")
    ended = bare(*typed, "--dsn", "not a string")

    assert ended.code == 2
    assert _is_one_sentence(ended.err, "the connection string is not one")


@pytest.mark.parametrize(("version", "says"), [(0, "behind"), (99, "another release has migrated")])
@pytest.mark.parametrize("typed", EVERY_READER, ids=" ".join)
def test_a_database_behind_or_ahead_is_code_3(tollway: Any, db: Any, typed: tuple[str, ...], version: int, says: str) -> None:
    if version:
        db.rows("insert into absurd.schema_migration values (%s, 'later', '') returning 1", version)
    else:
        db.conn.execute("drop schema absurd cascade")

    ended = tollway(*typed)

    assert ended.code == 3
    assert "is not installed" in ended.err + ended.out if not version else says in ended.err + ended.out


WRITERS = [
    ("repair", "--apply"),
    ("queue", "create", "q"),
    ("queue", "set", "default", "--cleanup-limit", "5"),
    ("queue", "cleanup"),
    ("event", "emit", "x"),
    ("start", "double", "1"),
    ("worker", "doubling:app", "--once"),
    ("schema", "install"),
]


@pytest.mark.parametrize("typed", WRITERS, ids=" ".join)
def test_a_standby_is_code_3_with_the_advice_to_take_the_primary(tollway: Any, db: Any, typed: tuple[str, ...]) -> None:
    """What a standby answers, a session that may not write answers too."""
    name = db.conn.info.dbname
    tollway("queue", "list")  # makes queue default while that is allowed
    db.conn.execute(f'alter database "{name}" set default_transaction_read_only = on')
    try:
        ended = tollway(*typed)
    finally:
        db.conn.execute(f'alter database "{name}" set default_transaction_read_only = off')

    assert (ended.code, ended.out) == (3, "")
    assert "read-only" in ended.err
    assert "give the address of the primary" in ended.err


@pytest.mark.parametrize("typed", WRITERS[1:7], ids=" ".join)
def test_a_wrong_user_is_code_3_and_named(tollway: Any, db: Any, bare: Any, typed: tuple[str, ...]) -> None:
    ended = bare(*typed, "--dsn", psycopg.conninfo.make_conninfo(db.dsn, user="nobody_we_know"))

    assert (ended.code, ended.out) == (3, "")
    assert _is_one_sentence(ended.err, "nobody_we_know"), ended.err
    assert "user and password" in ended.err
