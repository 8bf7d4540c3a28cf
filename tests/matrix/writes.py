"""Runs the writes that go round the functions, each in a transaction that is rolled back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from fixtures.server import database_dsn
from matrix.expected_writes import OWNER, REPLICA, Write
from matrix.scenes import Scene

LOGINS = {
    "a worker's login": "tollway_worker", "a client's login": "tollway_client", "an operator's login": "tollway_operator",
    "a reader's login": "tollway_reader",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What came of a write."""

    refused: str | None = None
    logged: tuple[str, ...] = ()
    via: frozenset[str] = frozenset()
    verify: tuple[str, ...] = ()
    repair: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def build(connection: psycopg.Connection[Any]) -> None:
    """The scene that expected_writes.py tells of."""
    scene = Scene(connection, "q")
    scene.clock(0)
    scene.one("select absurd.create_queue('q')")
    scene.running("completed")
    for step in ("select absurd.set_task_checkpoint_state('q', %s, 's', '1', %s)",):
        scene.one(step, scene.tasks["completed"], scene.run_id("completed"))
    scene.complete("completed")
    scene.running("failed")
    scene.fail("failed")
    scene.running("sleeping")
    scene.one("select absurd.schedule_run('q', %s, now() + interval '9 years')", scene.run_id("sleeping"))
    scene.running("waiting")
    scene.one("select absurd.await_event('q', %s, %s, 's', 'e')", scene.tasks["waiting"], scene.run_id("waiting"))
    scene.running("running", lease=3600)
    scene.clock(10)


def make_logins(admin: psycopg.Connection[Any], suffix: str) -> dict[str, str]:
    """A login for each role; the names are the cluster's, so they carry the database's name."""
    names = {actor: f"{role}_{suffix}" for actor, role in LOGINS.items()}
    for actor, role in LOGINS.items():
        admin.execute(f"create role {names[actor]} login in role {role}")
    return names


@contextmanager
def rolled_back(connection: psycopg.Connection[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        connection.rollback()


@contextmanager
def open_connections(server_dsn: str, template: str) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """A connection for each actor, in one database with the scene."""
    name = f"w_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
        dsn = database_dsn(server_dsn, name)
        with psycopg.connect(dsn, autocommit=True) as first:
            build(first)
        logins = make_logins(admin, name)
        opened = {actor: psycopg.connect(dsn, user=login) for actor, login in logins.items()}
        opened |= {OWNER: psycopg.connect(dsn), REPLICA: psycopg.connect(dsn)}
        try:
            yield opened
        finally:
            for connection in opened.values():
                connection.close()
            admin.execute(f"drop database {name} with (force)")
            for login in logins.values():
                admin.execute(f"drop role {login}")


def attempt(connection: psycopg.Connection[Any], write: Write, actor: str) -> Outcome:
    """The write by that actor, what the log says of it, and what verify() and repair() make of the rest."""
    with rolled_back(connection):
        try:
            _be(connection, actor)
            if write.statement.startswith("copy"):
                with connection.cursor().copy(write.statement) as copy:
                    copy.write(write.data)
            else:
                connection.execute(write.statement)
        except psycopg.Error as error:
            return Outcome(refused=error.sqlstate)
        connection.execute("reset role; set local session_replication_role = origin")
        rows = connection.execute(
            "select concat_ws(': ', event, from_state || ' > ' || to_state), via from absurd.absurd_event_log"
            " where xid = pg_current_xact_id() order by log_id"
        ).fetchall()
        found = _verify(connection)
        connection.execute("select absurd.repair()")
        mended = tuple(
            action
            for (action,) in connection.execute(
                "select distinct detail ->> 'action' from absurd.absurd_event_log where event = 'repaired' and detail ?& '{before,after}'"
                " and via = 'repair' order by 1"
            ).fetchall()
        )
        left = _verify(connection) if found else ()
        return Outcome(None, tuple(e for e, _ in rows), frozenset(v for _, v in rows), found, mended, left)


def _be(connection: psycopg.Connection[Any], actor: str) -> None:
    if actor == OWNER:
        connection.execute("set local role tollway_owner")
    if actor == REPLICA:
        connection.execute("set local session_replication_role = replica")


def _verify(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    query = "select distinct invariant from absurd.verify() where invariant <> 'clock_is_the_databases' order by 1"
    return tuple(name for (name,) in connection.execute(query).fetchall())
