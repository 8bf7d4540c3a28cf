"""Cancelling, retrying, queues, events, verify, repair, schema, audit: what operators type."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest


def _spawn(db: Any, name: str = "pay") -> UUID:
    found: UUID = db.one("select task_id from absurd.spawn_task('default', %s, '{}', '{\"max_attempts\": 1}')", name)
    return found


def _fail(db: Any) -> None:
    run = db.one("select run_id from absurd.claim_task('default', 'w', 30, 1)")
    db.rows("select absurd.fail_run('default', %s, '{}')", run)


def test_cancel_says_what_it_changed_and_refuses_what_is_over(tollway: Any, db: Any) -> None:
    task = _spawn(db)

    first = tollway("task", "cancel", str(task), "--reason", "ordered twice")
    second = tollway("task", "cancel", str(task))

    assert (first.code, first.out) == (0, f"cancelled {task} (it was pending)\n")
    assert (second.code, second.out) == (1, "")
    assert "is cancelled already" in second.err


def test_retry_gives_another_attempt_or_a_new_task(tollway: Any, db: Any) -> None:
    task = _spawn(db)
    assert tollway("task", "retry", str(task)).code == 1  # it has not failed
    _fail(db)

    (new,) = tollway("task", "retry", str(task), "--new", "--json").documents
    (again,) = tollway("task", "retry", str(task), "--max-attempts", "4", "--json").documents

    assert new["created"]
    assert new["task_id"] != str(task)
    assert (again["task_id"], again["attempt"], again["created"]) == (str(task), 2, False)


def test_tasks_are_listed_by_page_name_and_queue(tollway: Any, db: Any) -> None:
    tasks = [str(_spawn(db, name)) for name in ("a", "b", "a")]

    newest = tollway("task", "list", "--limit", "2", "--json").documents
    older = tollway("task", "list", "--before", newest[-1]["task_id"], "--json").documents
    named = tollway("task", "list", "--name", "a", "--queue", "default", "--json").documents

    assert [row["task_id"] for row in newest + older] == sorted(tasks, reverse=True)
    assert [row["name"] for row in named] == ["a", "a"]
    assert tollway("task", "list", "--state", "failed").out == "no tasks\n"
    assert tollway("task", "list").out.splitlines()[0].startswith("task id")


def test_a_name_without_tasks_is_questioned(tollway: Any, db: Any) -> None:
    _spawn(db, "payment")

    assert "did you mean 'payment'?" in tollway("task", "list", "--name", "paymnet").err


def test_a_purged_task_still_has_its_story(tollway: Any, db: Any) -> None:
    task = _spawn(db)
    tollway("queue", "drop", "default", "--yes")

    shown = tollway("task", "show", str(task))
    assert "purged: only its moves are left" in shown.out
    cancelled = tollway("task", "cancel", str(task))
    assert cancelled.code == 2
    assert "was purged" in cancelled.err


def test_queues_are_made_listed_counted_and_dropped(tollway: Any, db: Any) -> None:
    assert tollway("queue", "create", "mail", "--json").documents == [{"queue": "mail", "created": True}]
    assert "was there already" in tollway("queue", "create", "mail").out
    assert tollway("queue", "list").out == "default\nmail\n"
    _spawn(db)
    _spawn(db)
    _fail(db)

    (stats,) = tollway("queue", "stats", "default", "--json").documents
    assert (stats["pending"], stats["due"], stats["failed"], stats["idle_workers"]) == (1, 1, 1, 0)
    assert [row["queue"] for row in tollway("queue", "stats", "--json").documents] == ["default", "mail"]
    assert "oldest due seconds" in tollway("queue", "stats").out
    assert tollway("queue", "drop", "default", "--yes", "--json").documents == [{"queue": "default", "dropped": True, "tasks": 2}]
    assert tollway("queue", "list").out == "mail\n"


def test_an_event_wakes_once_and_the_first_payload_stays(tollway: Any, db: Any) -> None:
    task = _spawn(db)
    run = db.one("select run_id from absurd.claim_task('default', 'w', 30, 1)")
    db.rows("select absurd.await_event('default', %s, %s, 'approval', 'approved:7')", task, run)

    first = tollway("event", "emit", "approved:7", '{"by": "ann"}', "--json")
    second = tollway("event", "emit", "approved:7", '{"by": "bob"}')

    assert first.documents == [{"queue": "default", "event": "approved:7", "emitted": True, "waiting": 1}]
    assert second.out == "nothing changed\n"
    assert "was emitted at" in second.err
    assert db.one("select state from absurd.task") == "pending"
    assert db.one("select payload from absurd.event") == {"by": "ann"}


def _break(db: Any) -> None:
    """What only an owner can: a derived record made wrong behind the gate."""
    with db.conn.transaction():
        db.conn.execute("alter table absurd.workflow_run disable trigger user")
        db.conn.execute("update absurd.workflow_run set attempts = 77")
        names = db.rows("select tgname from pg_trigger where tgrelid = 'absurd.workflow_run'::regclass and not tgisinternal")
        for (name,) in names:
            db.conn.execute(f"alter table absurd.workflow_run enable always trigger {name}")


def test_repair_shows_first_and_mends_only_when_told(tollway: Any, db: Any) -> None:
    task = _spawn(db)
    _break(db)
    assert any(row["invariant"].startswith("workflow_run") for row in tollway("verify", "--json").documents)

    shown = tollway("repair")
    assert f"workflow_run  {task}" in shown.out
    assert "nothing was changed: repeat with --apply" in shown.out
    assert db.one("select attempts from absurd.workflow_run") == 77
    assert db.rows("select 1 from absurd.absurd_event_log where event = 'repaired'") == []

    (mended,) = tollway("repair", "--apply", "--json").documents
    assert (mended["applied"], mended["before"]["attempts"], mended["after"]["attempts"]) == (True, 77, 1)
    assert db.one("select attempts from absurd.workflow_run") == 1
    assert tollway("repair", "--apply").out == "nothing to mend\n"


def test_verify_is_code_1_with_a_line_for_each_violation(tollway: Any) -> None:
    ended = tollway("verify")

    assert ended.code == 1  # the test clock alone
    assert ended.out.splitlines()[0].startswith("clock_is_the_databases")
    assert ended.out.endswith("1 violations\n")


def test_a_fresh_database_is_installed_verified_and_shown(bare: Any, db: Any, server: Any) -> None:
    db.conn.execute("drop schema absurd cascade")

    assert bare("schema", "migrate", "--dsn", db.dsn).code == 3
    installed = bare("schema", "install", "--queue", "a", "--queue", "b", "--dsn", db.dsn)
    assert installed.code == 0
    assert "structure  nothing -> version" in installed.out
    assert bare("queue", "list", "--dsn", db.dsn).out == "a\nb\n"
    assert bare("schema", "verify", "--dsn", db.dsn).out == "verified: no violations\n"
    assert bare("verify", "--dsn", db.dsn).code == 0
    assert bare("schema", "migrate", "--json", "--dsn", db.dsn).code == 0
    assert not bare("schema", "show", "--json", "--dsn", db.dsn).documents[0]["test_clock"]


@pytest.fixture
def as_member(db: Any, bare: Any) -> Iterator[Any]:
    """Run a command as a login that was granted a role, or none."""
    name = f"m_{db.one('select current_database()')}"
    db.conn.execute(f"create role {name} login")

    def run(role: str | None, *arguments: str) -> Any:
        if role is not None:
            db.conn.execute(f"grant {role} to {name}")
        return bare(*arguments, "--dsn", psycopg.conninfo.make_conninfo(db.dsn, user=name))

    yield run
    db.conn.execute(f"drop role {name}")


def test_a_role_without_the_right_is_told_which_it_needs(tollway: Any, as_member: Any) -> None:
    ended = as_member(None, "task", "list")

    assert ended.code == 1
    assert "tollway_operator or tollway_reader" in ended.err
    assert "tollway_client" in ended.err


@pytest.mark.parametrize(
    "command",
    [
        ("task", "list", "--queue", "default"),
        ("queue", "list"),
        ("queue", "show", "default"),
        ("queue", "stats", "default"),
        ("log", "tail", "--queue", "default"),
    ],
    ids=" ".join,
)
def test_who_may_read_may_look_at_one_queue(tollway: Any, as_member: Any, command: tuple[str, ...]) -> None:
    ended = as_member("tollway_reader", *command)

    assert (ended.code, ended.err) == (0, "")


def test_who_may_read_may_wait_for_a_result(tollway: Any, db: Any, as_member: Any) -> None:
    task = db.one("select task_id from absurd.spawn_task('default', 't', 'null')")
    db.rows("select absurd.cancel_task('default', %s)", task)

    assert f"task {task} is cancelled\n" in as_member("tollway_reader", "task", "wait", str(task)).err


def test_who_may_only_start_and_emit_emits(tollway: Any, db: Any, as_member: Any) -> None:
    """Whether it was the first, and who waited for it, is for readers to know."""
    ended = as_member("tollway_client", "event", "emit", "approved:7", "1")
    told = as_member("tollway_client", "event", "emit", "approved:8", "--json")

    assert (ended.code, ended.out) == (0, "sent 'approved:7' to queue default\n")
    assert "tollway_reader" in ended.err
    assert told.documents == [{"queue": "default", "event": "approved:8", "emitted": None, "waiting": None}]
    assert db.rows("select event_name from absurd.event where emitted_at is not null") == [("approved:7",), ("approved:8",)]


def test_a_worker_whose_login_may_not_run_tasks_says_so_and_ends(tollway: Any, as_member: Any, application: Any) -> None:
    """It asked again each second for ever, and with --once it ended as if nothing had been to do."""
    ended = as_member("tollway_client", "worker", "doubling:app", "--once")

    assert ended.code == 1
    assert "may not run tasks" in ended.err
    assert "grant tollway_worker to m_" in ended.err


@pytest.mark.parametrize(("answer", "code"), [(0, 0), (1, 1), (None, 0), ("it broke", 1)])
@pytest.mark.parametrize("leaves", [True, False])
def test_audit_passes_its_arguments_on_and_its_code_back(
    bare: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, code: int, leaves: bool
) -> None:
    given: list[list[str]] = []

    def commands(arguments: list[str]) -> Any:
        given.append(arguments)
        if leaves:
            raise SystemExit(answer)
        return answer

    module = types.ModuleType("tollway.audit.commands")
    module.main = commands  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tollway.audit.commands", module)

    ended = bare("audit", "check", "--json", "src", "--help", "-x", "--", "tail")

    assert ended.code == code
    assert given == [["check", "--json", "src", "--help", "-x", "--", "tail"]]


def test_audit_without_its_parser_says_what_to_install(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tollway.audit.commands", None)

    ended = bare("audit", "check")

    assert ended.code == 1
    assert "hint: pip install 'tollway[audit]'" in ended.err
