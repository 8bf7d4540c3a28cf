"""Waiting times that grow and differ: workers that failed together must not come back together."""

from __future__ import annotations

import random


class Backoff:
    """Jittered exponential back-off: each wait is between half and the whole of a limit that doubles."""

    __slots__ = ("_first", "_limit", "_most", "attempts")

    def __init__(self, first: float, most: float) -> None:
        self._first = self._limit = first
        self._most = most
        self.attempts = 0

    def next(self) -> float:
        """Seconds to wait now."""
        limit = self._limit
        self.attempts += 1
        self._limit = min(limit * 2, self._most)
        return limit * (0.5 + random.random() / 2)

    def reset(self) -> None:
        self._limit = self._first
        self.attempts = 0
