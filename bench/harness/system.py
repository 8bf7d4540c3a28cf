"""What a system must be able to do to be measured. Everything here runs in the system's own virtual environment."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from harness.marks import Marks

BUSINESS = "create table business (id bigint primary key generated always as identity, note text not null)"
INSERT_BUSINESS = "insert into business (note) values ('an order')"
CHUNK = 1000
WAIT_AT_MOST = 60.0


class System:
    """One engine with its client library.

    Kinds of tasks, each with a number and a body: `noop` (echoes nothing), `steps` (body: how many; returns the sum of what its
    steps returned), `stamp` (marks when its handler began; returns its number), `wait` (waits for the event of its number, marks
    when it goes on), `wait_all` (waits for the one event that all wait for), and `noop_sync`, `steps_sync`: as plain functions.
    """

    name: ClassVar[str]
    schema: ClassVar[str] = ""
    """Whose schema it works on: a system's name; empty for its own."""
    requirements: ClassVar[str | None] = None
    """Its file under peers/; None: this project's own environment."""
    module: ClassVar[str]
    """What a worker's code imports."""
    features: ClassVar[frozenset[str]] = frozenset({"tasks", "steps", "events", "results", "threads"})
    share: ClassVar[float] = 1.0
    """Of a workload's count: less for those that would take too long."""
    polls: ClassVar[dict[str, float | None]] = {"defaults": None}
    """How often an idle worker looks, in seconds, by the name of the configuration."""

    done: ClassVar[str]
    """SQL: tasks that ended well, and are durable."""
    failed: ClassVar[str]
    """SQL: tasks that did not, or were tried more than once."""
    checkpoints: ClassVar[str] = ""
    """SQL: steps recorded."""
    waiting: ClassVar[str] = ""
    """SQL: tasks that are suspended until an event comes."""
    results: ClassVar[str] = ""
    """SQL: (result as text, how many tasks have it) of the tasks named %s."""
    settle: ClassVar[str] = ""
    """SQL after so many rows were loaded: what autovacuum would have done by and by."""

    def __init__(self, dsn: str, marks: Marks) -> None:
        self.dsn = dsn
        self.marks = marks

    # -- for each system to write -------------------------------------------------------------------------------

    def install(self) -> None:
        """Its schema, in an empty database."""
        raise NotImplementedError

    def open(self) -> None:
        """Connect a client."""
        raise NotImplementedError

    def start(self, kind: str, number: int, body: Any = None) -> Any:
        """Queue one task, committed when this returns; its handle."""
        raise NotImplementedError

    def start_many(self, kind: str, numbers: Sequence[int], body: Any = None) -> None:
        """Queue many with the system's own call for many."""
        raise NotImplementedError

    def transaction(self) -> AbstractContextManager[Callable[[str, int], None]]:
        """The user's own transaction, with a business row inserted: a function that queues a task in it."""
        raise NotImplementedError

    def wait(self, handle: Any) -> Any:
        """Until that task has ended, with the library's own means; its result."""
        raise NotImplementedError

    def emit(self, number: int) -> None:
        """The event that `wait` number so-and-so waits for."""
        raise NotImplementedError

    def emit_to_all(self, first: int, count: int) -> None:
        """What all `wait_all` from number `first` on wait for."""
        raise NotImplementedError

    def work(self, concurrency: int, poll: float | None = None) -> None:
        """Be a worker until killed. `poll` is how often it looks while idle, in seconds; None: as it comes."""
        raise NotImplementedError

    # -- the same for all ---------------------------------------------------------------------------------------

    def spawn(self, kind: str, count: int, how: str = "bulk", first: int = 0, body: Any = None) -> float:
        """Queue `count` tasks, one by one, in bulk or each in a transaction of the user's; the seconds that took."""
        numbers = range(first, first + count)
        began = time.perf_counter()
        if how == "bulk":
            for at in range(0, count, CHUNK):
                self.start_many(kind, numbers[at : at + CHUNK], body)
        elif how == "one":
            for number in numbers:
                self.start(kind, number, body)
        else:
            for number in numbers:
                with self.transaction() as queue:
                    queue(kind, number)
        return time.perf_counter() - began

    def latency(self, count: int, gap: tuple[float, float]) -> list[tuple[float, float]]:
        """So many tasks, each for an idle worker: milliseconds from before its start to its handler, and to its result here."""
        found = []
        for number in range(count):
            time.sleep(random.uniform(*gap))
            began = time.monotonic_ns()
            result = self.wait(self.start("stamp", number))
            ended = time.monotonic_ns()
            if "results" in self.features and result != number:
                raise ValueError(f"task {number} returned {result!r}")
            found.append(((self.marks.stamped(number) - began) / 1e6, (ended - began) / 1e6))
        return found

    def resumed(self, numbers: Sequence[int], gap: tuple[float, float]) -> list[float]:
        """Emit one event for each waiting task: milliseconds until it goes on."""
        found = []
        for number in numbers:
            time.sleep(random.uniform(*gap))
            began = time.monotonic_ns()
            self.emit(number)
            ends = time.monotonic() + WAIT_AT_MOST
            while not (at := self.marks.stamped(number)):
                if time.monotonic() > ends:
                    raise TimeoutError(f"the task that waits for event {number} did not go on")
                time.sleep(0.0005)
            found.append((at - began) / 1e6)
        return found

    def resumed_all(self, first: int, count: int) -> list[float]:
        """One event for `count` tasks: milliseconds until the first, and until the last goes on."""
        began = time.monotonic_ns()
        self.emit_to_all(first, count)
        ends = time.monotonic() + WAIT_AT_MOST
        while not all(times := [self.marks.stamped(first + n) for n in range(count)]):
            if time.monotonic() > ends:
                raise TimeoutError(f"{sum(t > 0 for t in times)} of {count} tasks went on")
            time.sleep(0.002)
        return [(min(times) - began) / 1e6, (max(times) - began) / 1e6]


def steps_of(count: int) -> int:
    """What the steps of a workflow must add up to."""
    return count * (count - 1) // 2
