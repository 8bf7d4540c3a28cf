"""Counts and moments that all processes of one measurement share: a mapped file of 64-bit integers.

The clock is CLOCK_MONOTONIC, which is one for all processes of a machine.
"""

from __future__ import annotations

import mmap
import threading
import time
from pathlib import Path

WORKERS = 8
HEADER = 2 * WORKERS
SLOTS = 20_000


class Marks:
    """A process writes only what is its own: worker k the integers 2k (tasks handled) and 2k + 1 (its first), a task its own slot."""

    def __init__(self, path: Path, worker: int = 0) -> None:
        size = 8 * (HEADER + SLOTS)
        if not path.exists():
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._cells = memoryview(mmap.mmap(file.fileno(), size)).cast("q")
        self._own = 2 * worker
        self._lock = threading.Lock()

    def begin(self) -> None:
        """A handler of this worker has begun."""
        if not self._cells[self._own + 1]:
            self._cells[self._own + 1] = time.monotonic_ns()

    def hit(self) -> None:
        """A handler of this worker has all but ended; one without steps need not say that it began."""
        with self._lock:
            self.begin()
            self._cells[self._own] += 1

    def stamp(self, slot: int) -> None:
        self._cells[HEADER + slot] = time.monotonic_ns()

    def stamped(self, slot: int) -> int:
        """When, in ns; 0 if not yet."""
        return int(self._cells[HEADER + slot])

    @property
    def handled(self) -> int:
        return sum(self._cells[2 * k] for k in range(WORKERS))

    @property
    def first(self) -> int:
        """When the first handler of any worker began, in ns."""
        return min(t for k in range(WORKERS) if (t := self._cells[2 * k + 1]))

    def reset(self) -> None:
        self._cells[:] = memoryview(bytes(8 * len(self._cells))).cast("q")
