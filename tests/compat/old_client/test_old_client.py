"""The origin's own client (`absurd` 0.1.0), unmodified: its SQL calls work, its writes past them are refused, and nothing it does
makes a derived record wrong. The page says what comes of each method; this run is held against it."""

from __future__ import annotations

import importlib.metadata
import inspect
import logging
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import absurd_client
import psycopg
import pytest

from compat.old_client.cases import CASES, Case
from fixtures.server import TEMPLATE, database_dsn
from matrix.scenes import Scene
from tollway.embedded import EmbeddedPostgres

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "absurd-compatibility.md"
OWNER, OPERATOR = "a superuser", "an operator's login"
PATHS = ("public", "absurd, public")
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
# what a case may have changed: each table with its column of the queue
TABLES = {
    "task": "queue_name", "run": "queue_name", "checkpoint": "queue_name", "event": "queue_name", "wait": "queue_name",
    "workflow_run": "absurd_queue", "absurd_event_log": "queue_name", "queues": "queue_name",
}  # fmt: skip
Seen = dict[tuple[str, str, str, str], tuple[str, list[str]]]


def public_names() -> set[str]:
    """Every public method of the client, and every public function beside it."""
    methods = {name for name, _ in inspect.getmembers(absurd_client.AbsurdClient, callable) if not name.startswith("_")}
    functions = inspect.getmembers(absurd_client, inspect.isfunction)
    return methods | {name for name, f in functions if f.__module__ == absurd_client.__name__ and not name.startswith("_")}


def everything(admin: psycopg.Connection[Any], queue: str) -> list[Any]:
    query = "select array_agg(t::text order by t::text) from absurd.{} t where {} = %s"
    return [admin.execute(query.format(table, column), (queue,)).fetchone() for table, column in TABLES.items()]


def attempt(case: Case, dsn: str, login: str | None, path: str, admin: psycopg.Connection[Any], queue: str) -> tuple[str, list[str]]:
    """What came of it, and what was wrong about that."""
    scene = Scene(admin, queue)
    scene.clock(0)
    scene.one("select absurd.create_queue(%s)", queue)
    case.make(scene)
    scene.clock(10)
    absurd_client._absurd_client_singleton = None
    before, outcome, wrong = everything(admin, queue), "works", []
    with psycopg.connect(dsn, options=f"-c search_path={path.replace(' ', '')}", **({"user": login} if login else {})) as connection:
        try:
            returned = case.call(absurd_client.AbsurdClient(queue, "old"), connection, scene, absurd_client)
            connection.commit()
        except psycopg.Error as error:
            outcome = f"refused: {error.sqlstate}"
        except Exception as error:
            outcome = type(error).__name__
        connection.rollback()
    if outcome == "works" and not case.then(returned, scene):
        wrong.append(f"it returned {returned!r}, or did not do what it should")
    if outcome != "works" and everything(admin, queue) != before:
        wrong.append("it was refused, and yet something changed")
    found = admin.execute("select queue_name, invariant, detail from absurd.verify() where invariant <> 'clock_is_the_databases'")
    return outcome, wrong + [f"verify: {row}" for row in found.fetchall()]


@pytest.fixture(scope="module")
def seen(server: EmbeddedPostgres) -> Iterator[Seen]:
    """Every case, by a superuser and by an operator's login, with schema absurd on the search path and without it."""
    name = f"o_{uuid.uuid4().hex[:12]}"
    logging.getLogger("absurd_client").setLevel(logging.CRITICAL)
    with psycopg.connect(server.dsn, autocommit=True) as maintenance:
        maintenance.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
        maintenance.execute(f"create role {name} login in role tollway_operator")
        dsn, found = database_dsn(server.dsn, name), {}
        with psycopg.connect(dsn, autocommit=True, options="-c timezone=UTC") as admin:
            for number, (case, login, path) in enumerate((c, u, p) for c in CASES for u in (None, name) for p in PATHS):
                who = OPERATOR if login else OWNER
                found[case.method, case.name, who, path] = attempt(case, dsn, login, path, admin, f"q{number}")
        yield found
        maintenance.execute(f"drop database {name} with (force)")
        maintenance.execute(f"drop role {name}")


def test_it_is_the_published_package() -> None:
    assert importlib.metadata.version("absurd") == "0.1.0"
    assert Path(absurd_client.__file__).parent.name == "absurd_client"


def test_every_public_method_has_a_case() -> None:
    assert {case.method for case in CASES} == public_names()


def test_nothing_it_does_makes_a_record_wrong(seen: Seen) -> None:
    assert {cell: wrong for cell, (_, wrong) in seen.items() if wrong} == {}


def test_the_page_says_what_comes_of_each_method(seen: Seen) -> None:
    """A cell tells the outcome, or that of each search path: `refused: 42P01; absurd on the path: refused: TW102`."""
    _, _, section = PAGE.read_text().partition("## The origin's own client")
    page = {(method, name): (owner, operator) for method, name, owner, operator in ROW.findall(section)}

    assert page == {(case.method, case.name): (told(seen, case, OWNER), told(seen, case, OPERATOR)) for case in CASES}


def told(seen: Seen, case: Case, who: str) -> str:
    plain, absurd = (seen[case.method, case.name, who, path][0] for path in PATHS)
    return plain if plain == absurd else f"{plain}; schema `absurd` on the path: {absurd}"


def test_the_check_of_records_can_fail(server: EmbeddedPostgres) -> None:
    """The control: with the check of workflow_run switched off, the old client's write goes through and is found."""
    name = f"o_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.dsn, autocommit=True) as maintenance:
        maintenance.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
        dsn = database_dsn(server.dsn, name)
        with psycopg.connect(dsn, autocommit=True, options="-c timezone=UTC") as admin:
            admin.execute("alter table absurd.workflow_run disable trigger zzz_agrees_update")
            (case,) = (c for c in CASES if (c.method, c.name) == ("update_workflow_run_status", "another status"))
            outcome, wrong = attempt(case, dsn, None, "absurd, public", admin, "q")
        maintenance.execute(f"drop database {name} with (force)")

    assert outcome == "works"
    assert any("workflow_run_status_agrees" in problem for problem in wrong)
