"""Durations, as users write them: a `timedelta`, or a number of seconds."""

from __future__ import annotations

import math
from datetime import timedelta

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
