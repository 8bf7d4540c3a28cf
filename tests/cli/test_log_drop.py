"""`tollway log drop`: old weeks of the log leave, and the answer says which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

T0 = datetime(2031, 1, 6, tzinfo=UTC)


def test_the_weeks_that_are_older_go_and_are_told(tollway: Any, db: Any) -> None:
    db.clock.set(T0)
    db.conn.execute("select absurd.ensure_partitions()")
    tollway("start", "pay", "{}")
    db.clock.advance(timedelta(days=20))

    nothing = tollway("log", "drop", "--older-than", "1000 years")
    some = tollway("log", "drop", "--older-than", "10 days", "--json").documents
    again = tollway("log", "drop", "--older-than", "10 days")

    assert nothing.out == again.out == "no week of the log is over for so long\n"
    assert some[-1] == {
        "partition_name": "absurd_event_log_2031w02", "from_at": "2031-01-06T00:00:00+00:00", "to_at": "2031-01-13T00:00:00+00:00",
        "rows_dropped": 1,
    }  # fmt: skip
    db.clock.advance(timedelta(days=10))
    assert "absurd_event_log_2031w03: 0 rows before 2031-01-20 00:00" in tollway("log", "drop", "--older-than", "10 days").out
    assert db.verify() == []


def test_the_drop_is_in_the_log_and_has_no_queue(tollway: Any, db: Any) -> None:
    db.clock.set(T0)
    tollway("log", "drop", "--older-than", "0 days")

    (line,) = tollway("log", "tail", "--event", "log.dropped").out.splitlines()

    assert "  log.dropped" in line
    assert " -  -  " in line
    assert "via drop_log_before" in line


def test_what_is_no_interval_or_lies_ahead_is_refused(tollway: Any, db: Any) -> None:
    bad = tollway("log", "drop", "--older-than", "a while")
    ahead = tollway("log", "drop", "--older-than", "-1 day")

    assert (bad.code, ahead.code) == (2, 2)
    assert "'a while' is no interval" in bad.err
    assert "still to come" in ahead.err
