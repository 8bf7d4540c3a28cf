"""The log as a stream: whatever order transactions begin and commit in, each row comes exactly once."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from typing import Any

import psycopg
import pytest

from tollway.cli.queries.logs import LogReader

SPAWN = "select task_id from absurd.spawn_task('default', %s, '{}')"


@pytest.fixture
def reader(tollway: Any, db: Any) -> LogReader:
    found = LogReader(db.connect())
    found.last(0)
    return found


def _spawn(connection: psycopg.Connection[Any], name: str) -> Any:
    row = connection.execute(SPAWN, (name,)).fetchone()
    assert row
    return row[0]


def test_a_late_committer_is_not_skipped_and_comes_once(db: Any, reader: LogReader) -> None:
    """The first transaction draws the lower log_id and commits last: "after the last one I saw" would skip it."""
    early, late = db.connect(autocommit=False), db.connect(autocommit=False)
    first = _spawn(early, "first")
    second = _spawn(late, "second")
    late.commit()

    seen = [row["task_id"] for row in reader.further()]
    assert (seen, reader.held_back) == ([], 1)
    early.commit()
    seen += [row["task_id"] for row in reader.further()]
    seen += [row["task_id"] for row in reader.further()]

    assert seen == [first, second]
    assert db.one(
        "select (select log_id from absurd.absurd_event_log where task_id = %s) < max(log_id) from absurd.absurd_event_log", first
    )


def test_a_transaction_of_another_database_holds_nothing_back(db: Any, reader: LogReader, server: Any) -> None:
    """Snapshots are of the whole server: a report that runs for an hour next door would stop the tail for an hour."""
    with psycopg.connect(server.dsn) as elsewhere:
        elsewhere.execute("select pg_current_xact_id()")
        task = _spawn(db.connect(), "here")

        assert [row["task_id"] for row in reader.further()] == [task]
        assert reader.held_back == 0


def test_a_transaction_that_rolls_back_holds_nothing_for_ever(db: Any, reader: LogReader) -> None:
    lost, kept = db.connect(autocommit=False), db.connect()
    _spawn(lost, "lost")
    task = _spawn(kept, "kept")
    assert reader.further() == []
    lost.rollback()

    assert [row["task_id"] for row in reader.further()] == [task]
    assert reader.held_back == 0


def test_a_row_of_a_transaction_that_was_open_at_the_start_comes_after_it(tollway: Any, db: Any) -> None:
    """Neither among the last rows nor lost between them and the first look."""
    open_one = db.connect(autocommit=False)
    task = _spawn(open_one, "open")
    reader = LogReader(db.connect())
    assert reader.last(100) == []
    assert reader.further() == []
    open_one.commit()

    assert [row["task_id"] for row in reader.further()] == [task]


def test_the_floor_follows_the_stream_and_never_hides_an_open_transaction(db: Any, reader: LogReader) -> None:
    """What is read again with each look stays small, but never less than what may still come."""
    kept = db.connect()
    for number in range(20):
        _spawn(kept, f"before {number}")
    reader.further()
    reader.further()
    assert reader.floor > 0
    slow = db.connect(autocommit=False)
    task = _spawn(slow, "slow")
    below = reader.floor
    for number in range(20):
        _spawn(kept, f"meanwhile {number}")
        reader.further()
    lowest = reader.floor
    slow.commit()

    rows = reader.further()
    assert task in [row["task_id"] for row in rows]
    assert below <= lowest < min(row["log_id"] for row in rows)


def test_random_schedules_lose_and_repeat_nothing(db: Any, reader: LogReader) -> None:
    """Several connections begin, write, commit and roll back in a random order, with looks in between."""
    chance = random.Random(7)
    connections = [db.connect(autocommit=False) for _ in range(5)]
    wrote: dict[int, list[Any]] = {number: [] for number in range(5)}
    committed: list[Any] = []
    seen: list[Any] = []
    for _ in range(300):
        number = chance.randrange(5)
        action = chance.choice(["write", "write", "commit", "roll back", "look"])
        if action == "write":
            wrote[number].append(_spawn(connections[number], "x"))
        elif action == "look":
            seen += [row["task_id"] for row in reader.further()]
        else:
            if action == "commit":
                connections[number].commit()
                committed += wrote[number]
            else:
                connections[number].rollback()
            wrote[number] = []
    for connection in connections:
        connection.rollback()
    seen += [row["task_id"] for row in reader.further()]

    assert len(committed) > 20
    assert sorted(seen) == sorted(committed)


def test_after_a_restore_the_new_incarnation_is_read_from_its_beginning(db: Any, reader: LogReader) -> None:
    """Transaction ids start anew, perhaps below the watermark."""
    _spawn(db.conn, "before")
    assert len(reader.further()) == 1
    reader.watermark += 1_000_000  # as if the old cluster had been far ahead
    db.conn.execute("update absurd.schema_meta set incarnation = incarnation + 1")
    task = _spawn(db.conn, "after")

    assert [row["task_id"] for row in reader.further()] == [task]
    assert [row["incarnation"] for row in LogReader(db.connect()).last(10)] == [1, 2]


def test_tail_prints_the_newest_rows_and_says_what_it_holds_back(tollway: Any, db: Any) -> None:
    for name in ("one", "two", "three"):
        _spawn(db.conn, name)
    _spawn(db.connect(autocommit=False), "open")
    _spawn(db.conn, "held back")

    ended = tollway("log", "tail", "-n", "2", "--json")

    assert [row["event"] for row in ended.documents] == ["task.spawned"] * 2
    assert "1 newer rows are not shown yet" in ended.err


def test_filters_by_task_event_and_queue(tollway: Any, db: Any) -> None:
    task = _spawn(db.conn, "one")
    _spawn(db.conn, "two")
    tollway("task", "cancel", str(task))

    rows = tollway("log", "tail", "--task", str(task), "--json").documents
    assert [row["event"] for row in rows] == ["task.spawned", "task.cancelled"]
    assert len(tollway("log", "tail", "--event", "task.cancelled", "--queue", "default", "--json").documents) == 1
    assert "new -> pending" in tollway("log", "tail").out


def test_follow_prints_what_is_added_until_it_is_interrupted(tollway: Any, db: Any) -> None:
    command = [sys.executable, "-m", "tollway", "log", "tail", "--follow", "--json", "-n", "0", "--dsn", db.dsn]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    guard = threading.Timer(60, following.kill)
    guard.start()
    try:
        _until_connected(db)
        task = _spawn(db.conn, "live")
        assert following.stdout
        line = following.stdout.readline()
    finally:
        following.terminate()
        following.wait(20)
        guard.cancel()

    assert str(task) in line


def _until_connected(db: Any) -> None:
    """The follower has looked once: what is spawned from now on is news."""
    looked = (
        "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'commit%%' and pid <> pg_backend_pid()"
    )
    while not db.one(looked):
        pass
