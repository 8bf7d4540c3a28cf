"""Durations, as users write them: a `timedelta`, or a number of seconds."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from tollway.errors import InvalidOption

Duration = timedelta | float | int


def seconds_of(duration: Duration, what: str) -> float:
    """Raises: InvalidOption, for a negative, infinite or non-numeric duration."""
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, int | float) and not isinstance(duration, bool):
        seconds = float(duration)
    else:
        raise InvalidOption(f"{what} is {duration!r}", hint="use a timedelta or a number of seconds.")
    if not math.isfinite(seconds) or seconds < 0:
        raise InvalidOption(f"{what} is {duration!r}", hint="use a finite duration of at least zero.")
    return seconds


def aware(moment: object, what: str) -> datetime:
    """Raises: InvalidOption, for a moment without a time zone, which would mean another one on another machine."""
    if not isinstance(moment, datetime):
        raise InvalidOption(f"{what} is {moment!r}", hint="use a datetime with a time zone.")
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidOption(f"{what} is {moment!r}, without a time zone", hint="use datetime.now(UTC) or give it tzinfo.")
    return moment
