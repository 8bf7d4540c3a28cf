"""Round the functions: an ordinary role is refused; for the owner the gate records or refuses; verify() finds the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fixtures.server import TEMPLATE
from matrix import expected_writes as expected
from matrix.expected_writes import DENIED, OWNER, REPLICA, Write
from matrix.writes import Outcome, attempt, open_connections
from tollway.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def connections(server: EmbeddedPostgres) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    with open_connections(server.dsn, TEMPLATE) as opened:
        yield opened


def view_writes() -> list[str]:
    return [
        text.format(view=view, column=expected.VIEW_COLUMN[view])
        for view in expected.VIEWS
        for text in (*expected.VIEW_WRITES.values(), *expected.VIEW_ODDITIES)
    ]


@pytest.mark.parametrize("actor", expected.ROLES)
def test_an_ordinary_role_writes_nothing(connections: dict[str, Any], actor: str) -> None:
    """No table, no view, by no kind of write."""
    tables = [text.format(table=table) for table in expected.STATE_TABLES + expected.OTHER_TABLES for text in expected.TABLE_WRITES]
    statements = tables + [statement for statement in view_writes() if not statement.startswith("truncate")]

    outcomes = {statement: attempt(connections[actor], Write(statement), actor) for statement in statements}

    assert {s: o for s, o in outcomes.items() if o.refused != DENIED} == {}


def test_the_tables_named_here_are_all_there_are(connections: dict[str, Any]) -> None:
    query = "select relname from pg_class where relnamespace = 'absurd'::regnamespace and relkind in ('r', 'p')"
    with connections[OWNER].transaction(force_rollback=True):
        tables = {name for (name,) in connections[OWNER].execute(query).fetchall()}

    # a partition is the log's, and guarded as it is (tests/sql/test_log_partitions.py)
    tables = {name for name in tables if not name.startswith("absurd_event_log_")}
    assert tables - {*expected.STATE_TABLES, *expected.OTHER_TABLES} == {"schema_migration", "schema_file", "test_clock"}


@pytest.mark.parametrize("actor", [OWNER, REPLICA])
def test_a_write_through_a_view_moves_nothing(connections: dict[str, Any], actor: str) -> None:
    """The owner is told so; in a replica session it is no error, and no write either."""
    outcomes = {statement: attempt(connections[actor], Write(statement), actor) for statement in view_writes()}

    odd = {text.format(view=view): code for view in expected.VIEWS for text, code in expected.VIEW_ODDITIES.items()}
    told = dict.fromkeys(view_writes(), expected.VIEW if actor == OWNER else None) | odd
    assert {s: o for s, o in outcomes.items() if o != Outcome(refused=told[s])} == {}


@pytest.mark.parametrize("actor", [OWNER, REPLICA])
@pytest.mark.parametrize("write", expected.ALWAYS, ids=lambda w: f"{w.statement[:70]} {w.note}")
def test_the_gate_stands_for_the_owner_and_for_a_replica(connections: dict[str, Any], actor: str, write: Write) -> None:
    assert attempt(connections[actor], write, actor) == owed(write)


@pytest.mark.parametrize("write", expected.DISABLED, ids=lambda w: w.note or w.statement[:70])
def test_what_is_written_past_the_gate_is_found(connections: dict[str, Any], write: Write) -> None:
    assert attempt(connections[OWNER], write, OWNER) == owed(write)


def owed(write: Write) -> Outcome:
    if write.refused:
        return Outcome(refused=write.refused)
    return Outcome(None, write.logged, frozenset({"sql"} if write.logged else ()), write.verify, write.repair, write.left)
