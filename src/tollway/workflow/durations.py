"""Durations, as users write them: a `timedelta`, or a number of seconds."""

from __future__ import annotations

from datetime import datetime, timedelta

from tollway.errors import InvalidOption

Duration = timedelta | float | int
LONGEST = 3_000_000_000.0
"""Seconds, 95 years: what the database's own options take at most."""


def seconds_of(duration: Duration, what: str) -> float:
    """Raises: InvalidOption, for a negative or non-numeric duration, and one of over 95 years."""
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, int | float) and not isinstance(duration, bool):
        seconds = float(max(-1, min(duration, LONGEST + 1)))  # an int may be larger than any float
    else:
        raise InvalidOption(f"{what} is {duration!r}", hint="use a timedelta or a number of seconds.")
    if not 0 <= seconds <= LONGEST:
        raise InvalidOption(f"{what} is {duration!r}", hint=f"use a duration from 0 to {LONGEST:.0f} seconds (95 years).")
    return seconds


def aware(moment: object, what: str) -> datetime:
    """Raises: InvalidOption, for a moment without a time zone, which would mean another one on another machine."""
    if not isinstance(moment, datetime):
        raise InvalidOption(f"{what} is {moment!r}", hint="use a datetime with a time zone.")
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidOption(f"{what} is {moment!r}, without a time zone", hint="use datetime.now(UTC) or give it tzinfo.")
    return moment
