"""A saga: all or nothing, also when the worker dies."""

from __future__ import annotations

from typing import Any

import pytest

from tollway.errors import TaskFailed


def test_a_trip_is_booked(example: Any, tollway_env: Any) -> None:
    trip = example("saga", "trip")
    tollway_env.bind(trip.app)

    booked = tollway_env.run(trip.book_trip, trip.Trip("ada", "Turin"))
    assert sorted(trip.bookings) == sorted(booked)
    assert len(booked) == 3


def test_what_was_booked_is_undone_newest_first_and_nothing_is_left(example: Any, tollway_env: Any) -> None:
    trip = example("saga", "trip")
    tollway_env.bind(trip.app)
    handle = tollway_env.start(trip.book_trip, trip.Trip("ada", "Atlantis"))

    with pytest.raises(TaskFailed, match="no hotel in Atlantis"):
        tollway_env.finish(handle)
    assert trip.bookings == {}
    steps = list(tollway_env.task(handle).steps)
    assert steps == ["book train", "book car", "cancel car", "cancel train"]
