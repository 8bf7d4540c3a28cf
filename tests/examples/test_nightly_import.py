"""A nightly import: exactly one import for each night, and always a next night in the queue."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

NIGHT = date(2030, 3, 1)


def test_a_night_is_imported_once_and_the_next_one_is_queued(example: Any, tollway_env: Any) -> None:
    nightly = example("nightly_import", "nightly")
    tollway_env.bind(nightly.app)
    nightly.first_night(NIGHT)
    nightly.first_night(NIGHT)
    (first,) = tollway_env.db.rows("select task_id, state from absurd.task")
    assert first[1] == "sleeping"

    assert tollway_env.finish(nightly.app.handle_sync(first[0])) == 3
    assert tollway_env.db.one("select count(*) from imported") == 3
    (following,) = tollway_env.db.rows("select state, available_at from absurd.task where task_id <> %s", first[0])
    assert following == ("sleeping", datetime(2030, 3, 2, 2, tzinfo=UTC))
    assert tollway_env.db.verify() == []


def test_a_load_that_breaks_off_in_the_middle_leaves_no_line_behind(example: Any, tollway_env: Any, monkeypatch: Any) -> None:
    nightly = example("nightly_import", "nightly")
    tollway_env.bind(nightly.app)
    whole, calls = nightly.load, []

    def breaks_once(connection: Any, night: date, lines: list[str]) -> Any:
        calls.append(night)
        count = whole(connection, night, lines)
        if len(calls) == 1:
            raise OSError("the disk is full")
        return count

    monkeypatch.setattr(nightly, "load", breaks_once)

    assert tollway_env.run(nightly.import_night, NIGHT) == 3
    assert len(calls) == 2
    assert tollway_env.db.one("select count(*) from imported") == 3


def test_no_kill_loses_a_night_or_queues_one_twice(example: Any, tollway_env: Any) -> None:
    """The check ends with its night: the successor that it queued stays queued, though the next night would queue another."""
    nightly = example("nightly_import", "nightly")
    tollway_env.bind(nightly.app)

    report = tollway_env.assert_resume_safe(
        nightly.import_night,
        NIGHT,
        check=lambda db: (
            db.rows("select count(*), min(state), min(params #>> '{}') from absurd.task where state <> 'completed'")
            == [(1, "sleeping", "2030-03-02")]
        ),
        strict=["plan the next", "load"],
    )

    assert report.result == 3
    assert report.commits[0] == "the transaction 'plan the next'"
